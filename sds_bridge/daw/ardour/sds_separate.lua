ardour {
	["type"] = "EditorAction",
	name = "SDS Bridge: separate region",
	license = "GPL-3.0-or-later",
	author = "SDS Bridge",
	description = [[Sends the selected audio region to the SDS Bridge daemon. Its stems come back as tracks at the region's position, and the region is muted: they sum to it. Start `sds-bridge serve --allow` with the session's folder first.]]
}

function factory () return function ()
	local title = "SDS Bridge: separate region"
	local function say(text)
		LuaDialog.Message(title, text, LuaDialog.MessageType.Info, LuaDialog.ButtonType.Close):run()
	end
	local folder = ARDOUR.LuaAPI.build_filename(ARDOUR.user_config_directory(-1), "scripts", "sds-bridge")
	local load, why = loadfile(ARDOUR.LuaAPI.build_filename(folder, "sds_ardour.lua"))
	if not load then return say(why .. "\nRun `sds-bridge daw install ardour`.") end
	local sds = load(folder)

	local regions = {}
	for region in Editor:get_selection().regions:regionlist():iter() do
		if not region:to_audioregion():isnil() then regions[#regions + 1] = region end
	end
	if #regions == 0 then return say("No audio region is selected. Select one.") end
	local asked = LuaDialog.Dialog(title, {
		{ type = "entry", key = "stems", title = "What is in it, by commas", default = "saxophone, traffic" },
		{ type = "entry", key = "options", title = "Options, as steps=100, seed=1", default = "" },
	}):run()
	if not asked then return end

	for _, region in ipairs(regions) do
		local window = LuaDialog.ProgressWindow(title, true)
		local done, answer = pcall(sds.separate, Session, region, sds.bridge.names(asked.stems), sds.bridge.names(asked.options),
			function(state)
				local part = state and state.steps and state.steps > 0 and state.step / state.steps or 0
				window:progress(part, sds.bridge.told(state))
				return window:canceled()
			end)
		window:done()
		if not done then return say(answer) end
		local files = {}
		for _, stem in ipairs(answer.stems) do files[#files + 1] = stem.path end
		sds.import(Editor, files, region:position():samples())
		region:set_muted(true)
	end
end end
