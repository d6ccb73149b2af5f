ardour {
	["type"] = "EditorAction",
	name = "SDS Bridge: tune a patch",
	license = "GPL-3.0-or-later",
	author = "SDS Bridge",
	description = [[Tunes a synth patch to words. It comes back as a MIDI track with the plug-in and its parameters; without a plug-in, the preview comes back as an audio track at the playhead. Start `sds-bridge serve` first.]]
}

function factory () return function ()
	local title = "SDS Bridge: tune a patch"
	local function say(text)
		LuaDialog.Message(title, text, LuaDialog.MessageType.Info, LuaDialog.ButtonType.Close):run()
	end
	local folder = ARDOUR.LuaAPI.build_filename(ARDOUR.user_config_directory(-1), "scripts", "sds-bridge")
	local load, why = loadfile(ARDOUR.LuaAPI.build_filename(folder, "sds_ardour.lua"))
	if not load then return say(why .. "\nRun `sds-bridge daw install ardour`.") end
	local sds = load(folder)

	local asked = LuaDialog.Dialog(title, {
		{ type = "entry", key = "prompt", title = "What it should be", default = "kick drum, bass, reverb" },
		{ type = "dropdown", key = "synth", title = "Synth", values = { fm = "fm", modal = "modal", dx7 = "dx7" }, default = "fm" },
		{ type = "entry", key = "plugin", title = "Plug-in (a spec's name; empty for audio)", default = "" },
		{ type = "entry", key = "options", title = "Options, as steps=100, seed=1", default = "" },
	}):run()
	if not asked then return end

	local window = LuaDialog.ProgressWindow(title, true)
	local done, answer = pcall(sds.tune, Session, asked.prompt, asked.synth, asked.plugin, sds.bridge.names(asked.options),
		function(state)
			local part = state and state.steps and state.steps > 0 and state.step / state.steps or 0
			window:progress(part, sds.bridge.told(state))
			return window:canceled()
		end)
	window:done()
	if not done then return say(answer) end
	if not answer.plugin then
		sds.import(Editor, { answer.preview }, Session:transport_sample())
		return
	end
	local placed, reason = pcall(sds.place_patch, Session, answer, asked.prompt)
	if not placed then return say(reason) end
	if #answer.plugin.report > 0 then say(table.concat(answer.plugin.report, "\n")) end
end end
