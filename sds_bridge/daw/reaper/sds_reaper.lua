-- What the REAPER actions do. ReaScript has no sockets, so the sds-bridge command asks the daemon and keeps the job's
-- state in a JSON file, which is read again each time REAPER's own loop comes round: its window never freezes.
local folder = ...
local bridge = dofile(folder .. "bridge.lua")
local config = dofile(folder .. "sds_bridge_config.lua")
local sds = { bridge = bridge, config = config }

local WINDOWS = reaper.GetOS():match("^Win") ~= nil
local SILENT_SECONDS = 60
local number = 0

function sds.say(text)
	reaper.ShowMessageBox(text, "SDS Bridge", 0)
end

-- A new file beside nothing of the user's: in REAPER's resource folder.
local function answer_file()
	number = number + 1
	return string.format("%s/sds-bridge-%d-%d.json", reaper.GetResourcePath(), os.time(), number)
end

-- Ask for a job; `done(state)` is called when it is done, `failed(text)` when it ended otherwise. Returns at once.
function sds.ask(request, done, failed)
	local answer = answer_file()
	local command = bridge.quoted(bridge.words(config, answer, request), WINDOWS)
	-- -1: doesn't wait
	reaper.ExecProcess(command, -1)
	local since, shown = reaper.time_precise(), ""

	local function round()
		local state = bridge.read(answer)
		if state then since = reaper.time_precise() end
		local text = bridge.told(state)
		if text ~= shown then
			shown = text
			reaper.ShowConsoleMsg("SDS Bridge: " .. text .. "\n")
		end
		if bridge.ended(state) then
			os.remove(answer)
			if state.status == "done" then return done(state) end
			return failed("the job " .. state.status .. ". " .. (state.message or ""))
		end
		if reaper.time_precise() - since > SILENT_SECONDS then
			return failed("the sds-bridge command doesn't answer. Run `sds-bridge daw install reaper` again.")
		end
		reaper.defer(round)
	end
	reaper.defer(round)
	-- a script that is ended from the Actions menu takes its job with it
	reaper.atexit(function()
		if reaper.file_exists(answer) then bridge.cancel(answer) end
	end)
end

-- What a selected item plays, if the daemon can read it as it is: a whole file, not reversed, at its own speed.
-- Returns its path, or nil and why.
local function clip_of(item)
	local take = reaper.GetActiveTake(item)
	if not take or reaper.TakeIsMIDI(take) then return nil, "an item has no audio. Select audio items." end
	local source = reaper.GetMediaItemTake_Source(take)
	local path = reaper.GetMediaSourceFileName(source, "")
	local whole = math.abs(reaper.GetMediaSourceLength(source) - reaper.GetMediaItemInfo_Value(item, "D_LENGTH")) < 1e-6
	local plain = reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS") == 0
		and reaper.GetMediaItemTakeInfo_Value(take, "D_PLAYRATE") == 1
		and reaper.GetMediaItemTakeInfo_Value(take, "D_PITCH") == 0
	if path == "" or not whole or not plain then
		return nil, "an item is trimmed, stretched, looped or reversed. Glue it first (Item: Glue items), then run this again."
	end
	return path
end

-- A new track after number `index` (from 0) with `path` at `position` (seconds).
local function place(path, name, index, position, volume)
	reaper.InsertTrackAtIndex(index, true)
	local track = reaper.GetTrack(0, index)
	reaper.GetSetMediaTrackInfo_String(track, "P_NAME", name, true)
	local item = reaper.AddMediaItemToTrack(track)
	local take = reaper.AddTakeToMediaItem(item)
	local source = reaper.PCM_Source_CreateFromFile(path)
	reaper.SetMediaItemTake_Source(take, source)
	reaper.GetSetMediaItemTakeInfo_String(take, "P_NAME", name, true)
	reaper.SetMediaItemInfo_Value(item, "D_POSITION", position)
	reaper.SetMediaItemInfo_Value(item, "D_LENGTH", reaper.GetMediaSourceLength(source))
	reaper.SetMediaItemInfo_Value(item, "D_VOL", volume)
	-- the stems must sum to the clip, so no fade of REAPER's own
	reaper.SetMediaItemInfo_Value(item, "D_FADEINLEN", 0)
	reaper.SetMediaItemInfo_Value(item, "D_FADEOUTLEN", 0)
	reaper.SetMediaItemInfo_Value(item, "D_FADEINLEN_AUTO", 0)
	reaper.SetMediaItemInfo_Value(item, "D_FADEOUTLEN_AUTO", 0)
	return track
end

-- One step in REAPER's undo list.
local function undoable(name, work)
	reaper.Undo_BeginBlock()
	reaper.PreventUIRefresh(1)
	local fine, why = pcall(work)
	reaper.PreventUIRefresh(-1)
	reaper.UpdateArrange()
	reaper.Undo_EndBlock(name, -1)
	if not fine then sds.say(why) end
end

-- Separate `items`, one after the other; the stems come onto new tracks under each item's, and the item is muted.
function sds.separate(items, stems, options, finished)
	local item = table.remove(items, 1)
	if not item then return finished() end
	local path, why = clip_of(item)
	if not path then return sds.say(why) end
	local asked, request = pcall(bridge.separation, path, stems, options)
	if not asked then return sds.say(request) end
	sds.ask(request, function(state)
		undoable("SDS Bridge: separate", function()
			local position = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
			local volume = reaper.GetMediaItemInfo_Value(item, "D_VOL")
			local under = reaper.GetMediaTrackInfo_Value(reaper.GetMediaItemTrack(item), "IP_TRACKNUMBER")
			for i, stem in ipairs(state.stems) do place(stem.path, stem.name, math.floor(under) + i - 1, position, volume) end
			reaper.SetMediaItemInfo_Value(item, "B_MUTE", 1)
		end)
		sds.separate(items, stems, options, finished)
	end, sds.say)
end

-- Tune; the preview comes onto a new track at the edit cursor. With a plug-in (a spec's name), the track carries it,
-- with the patch's parameters.
function sds.tune(prompt, synth, plugin, options, finished)
	sds.ask(bridge.tuning(prompt, synth, plugin, options), function(state)
		undoable("SDS Bridge: tune", function()
			local index = reaper.CountTracks(0)
			place(state.preview, prompt, index, reaper.GetCursorPosition(), 1)
			if state.plugin then sds.instrument(state.plugin, prompt, index + 1) end
		end)
		finished(state)
	end, sds.say)
end

-- A track with the plug-in, its parameters at the patch's positions.
function sds.instrument(plugin, name, index)
	reaper.InsertTrackAtIndex(index, true)
	local track = reaper.GetTrack(0, index)
	reaper.GetSetMediaTrackInfo_String(track, "P_NAME", name, true)
	local fx = reaper.TrackFX_AddByName(track, plugin.name, false, -1)
	if fx < 0 then error(plugin.name .. ": REAPER doesn't know this plug-in. Install it, or rescan plug-ins.", 0) end
	for i = 0, reaper.TrackFX_GetNumParams(track, fx) - 1 do
		local _, label = reaper.TrackFX_GetParamName(track, fx, i, "")
		local position = plugin.positions[label:lower():gsub("[^%w]+", "_")]
		if position then reaper.TrackFX_SetParamNormalized(track, fx, i, position) end
	end
end

return sds
