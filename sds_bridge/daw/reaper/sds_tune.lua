-- SDS Bridge: tune a synth patch to words; its preview comes onto a new track at the edit cursor.
local folder = ({ reaper.get_action_context() })[2]:match("^(.*[/\\])")
local sds = assert(loadfile(folder .. "sds_reaper.lua"))(folder)

-- a comma belongs to the prompt, so the fields are separated by a line's end
local fine, text = reaper.GetUserInputs("SDS Bridge: tune", 4,
	"What it should be:,Synth (fm modal dx7):,Plug-in (a spec or empty):,Options (steps=100;seed=1):,extrawidth=200,separator=\n",
	"kick drum, bass, reverb\nfm\n\n")
if not fine then return end
local prompt, synth, plugin, options = (text .. "\n\n\n"):match("^(.-)\n(.-)\n(.-)\n(.-)\n")
sds.tune(prompt, synth, plugin, sds.bridge.names((options:gsub(";", ","))), function(state)
	reaper.ShowConsoleMsg("SDS Bridge: the patch is " .. state.patch .. "\n")
end)
