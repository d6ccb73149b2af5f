-- What the Ardour actions do, for the editor and for ardour7-lua without one. Ardour runs an action's function alone, so
-- everything it needs is loaded by it: loadfile(".../sds_ardour.lua")(folder).
local folder = ...
local function load_beside(name)
	return assert(loadfile(ARDOUR.LuaAPI.build_filename(folder, name)))()
end
local bridge = load_beside("bridge.lua")
local config = load_beside("sds_bridge_config.lua")
local ardour_files = load_beside("session_file.lua")
local sds = { bridge = bridge, config = config }

local BLOCK = 65536

-- Ardour's own assert puts a file and a line before the text.
local function must(value, text)
	if not value then error(text, 0) end
	return value
end

-- Write what a region plays, its gain with it and its fades without, as a 32-bit float WAV.
-- Returns the number of channels.
function sds.write_clip(region, path, rate)
	local audio = region:to_audioregion()
	must(not audio:isnil(), region:name() .. ": is no audio region. Select one.")
	local channels, length = audio:n_channels(), region:length():samples()
	local readable, gain = audio:to_readable(), audio:scale_amplitude()
	local file = must(io.open(path, "wb"))
	local bytes = length * channels * 4
	must(bytes < 2 ^ 32 - 64, region:name() .. ": is longer than a WAV file can be. Split it.")
	file:write("RIFF", string.pack("<I4", 50 + bytes), "WAVEfmt ")
	file:write(string.pack("<I4I2I2I4I4I2I2I2", 18, 3, channels, rate, rate * channels * 4, channels * 4, 32, 0))
	file:write("fact", string.pack("<I4I4", 4, length), "data", string.pack("<I4", bytes))
	local memory = ARDOUR.DSP.DspShm(BLOCK)
	for from = 0, length - 1, BLOCK do
		local count = math.min(BLOCK, length - from)
		local parts = {}
		local columns = {}
		for channel = 0, channels - 1 do
			must(readable:read(memory:to_float(0), from, count, channel) == count, region:name() .. ": can't be read.")
			columns[channel + 1] = memory:to_float(0):get_table(count)
		end
		for i = 1, count do
			for channel = 1, channels do parts[#parts + 1] = string.pack("<f", columns[channel][i] * gain) end
		end
		file:write(table.concat(parts))
	end
	file:close()
	return channels
end

-- Run the command that asks for a job. In the editor it goes on by itself, or the window would freeze.
function sds.start(words)
	if os.forkexec then
		os.forkexec(table.unpack(words))
	else
		os.execute(bridge.quoted(words) .. " >/dev/null 2>&1 &")
	end
end

-- Follow the job until it has ended; `show(state)` returns true to cancel it. Raises an error unless it is done.
function sds.follow(answer, show)
	local cancelled, silent, state = false, 0, nil
	repeat
		ARDOUR.LuaAPI.usleep(200000)
		state = bridge.read(answer)
		silent = state and 0 or silent + 0.2
		must(silent < 60, "the sds-bridge command doesn't answer. Run `sds-bridge daw install ardour` again.")
		if show(state) and not cancelled then
			cancelled = true
			bridge.cancel(answer)
		end
	until bridge.ended(state)
	if state.status ~= "done" then error("the job " .. state.status .. ". " .. (state.message or ""), 0) end
	return state
end

-- Ask for a job and follow it to its end. `place` is a folder for the answer.
function sds.ask(place, request, show)
	local answer = ARDOUR.LuaAPI.build_filename(place, string.format("sds-%d-%d.json", os.time(), math.random(1, 1e9)))
	sds.start(bridge.words(config, answer, request))
	local ended, state = pcall(sds.follow, answer, show)
	os.remove(answer)
	must(ended, state)
	return state
end

-- Send a region to the daemon; the finished job's answer. `options` are texts as "steps=100".
function sds.separate(session, region, stems, options, show)
	local place = session:path()
	local clip = ARDOUR.LuaAPI.build_filename(place, string.format("sds-clip-%d-%d.wav", os.time(), math.random(1, 1e9)))
	local request = bridge.separation(clip, stems, options)
	local channels = sds.write_clip(region, clip, math.floor(session:nominal_sample_rate()))
	local ended, state = pcall(sds.ask, place, request, show)
	os.remove(clip)
	must(ended, state)
	state.channels = channels
	return state
end

-- Tune a patch; the finished job's answer. `plugin` names a spec, or is "".
function sds.tune(session, prompt, synth, plugin, options, show)
	return sds.ask(session:path(), bridge.tuning(prompt, synth, plugin, options), show)
end

-- The stems as tracks at `position` (samples) through the editor, which copies them into the session.
function sds.import(editor, files, position)
	local paths = C.StringVector()
	for _, file in ipairs(files) do paths:push_back(file) end
	editor:do_import(paths, Editing.ImportDistinctFiles, Editing.ImportAsTrack, ARDOUR.SrcQuality.SrcBest,
		ARDOUR.MidiTrackNameSource.SMFTrackName, ARDOUR.MidiTempoMapDisposition.SMFTempoIgnore,
		Temporal.timepos_t(position), ARDOUR.PluginInfo(), ARDOUR.Track(), false)
end

-- Ardour connects a new track by itself, but in a thread of its own and not always before the session is saved.
local function to_master(session, track)
	local from, to = track:output(), session:master_out():input()
	for i = 0, math.min(from:n_ports():n_audio(), to:n_ports():n_audio()) - 1 do
		local name = to:nth(i):name()
		if not from:nth(i):connected_to(name) then from:nth(i):connect(name) end
	end
end

-- The same where there is no editor: tracks are made, the session is saved and closed, and its file gets the regions.
-- `mute` is the region that the stems stand for. Load the session again to go on.
function sds.place_in_file(session, stems, channels, position, mute)
	local made = {}
	for _, stem in ipairs(stems) do
		local tracks = session:new_audio_track(channels, math.max(2, channels), nil, 1, stem.name,
			ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
		local track = tracks:front()
		to_master(session, track)
		made[#made + 1] = { track = track:name(), path = stem.path }
	end
	if mute then mute:set_muted(true) end
	local home, name, rate = session:path(), session:name(), math.floor(session:nominal_sample_rate())
	session:save_state("")
	close_session()
	local inner = ARDOUR.LuaAPI.path_get_basename((home:gsub("[/\\]+$", "")))
	local audio = ARDOUR.LuaAPI.build_filename(home, "interchange", inner, "audiofiles")
	ardour_files.add(ARDOUR.LuaAPI.build_filename(home, name .. ".ardour"), audio, rate, made, channels, position)
end

-- A parameter's name as the specs write it: "Op1 Ratio" is "op1_ratio".
local function spec_name(label)
	return (label:lower():gsub("[^%w]+", "_"):gsub("^_+", ""):gsub("_+$", ""))
end

-- A MIDI track with the plug-in, its parameters set to the tuned patch's positions; returns how many were.
function sds.place_patch(session, state, name)
	local plugin = state.plugin
	local found
	for _, kind in ipairs({ ARDOUR.PluginType.VST3, ARDOUR.PluginType.LXVST, ARDOUR.PluginType.LV2 }) do
		local info = ARDOUR.LuaAPI.new_plugin_info(plugin.name, kind)
		if info and not info:isnil() then
			found = info
			break
		end
	end
	must(found, plugin.name .. ": Ardour doesn't know this plug-in. Install it and let Ardour scan; the patch is at " .. state.patch)
	local midi = ARDOUR.ChanCount(ARDOUR.DataType("midi"), 1)
	local stereo = ARDOUR.ChanCount(ARDOUR.DataType("audio"), 2)
	local tracks = session:new_midi_track(midi, stereo, false, found, nil, nil, 1, name,
		ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
	to_master(session, tracks:front())
	local insert = tracks:front():nth_plugin(0)
	local loaded = insert:to_insert():plugin(0)
	local placed = 0
	for i = 0, loaded:parameter_count() - 1 do
		if loaded:parameter_is_control(i) and loaded:parameter_is_input(i) then
			local position = plugin.positions[spec_name(loaded:parameter_label(i))]
			local _, descriptor = loaded:get_parameter_descriptor(i, ARDOUR.ParameterDescriptor())
			local about = descriptor[2]
			if position then
				local value = about.lower + position * (about.upper - about.lower)
				if ARDOUR.LuaAPI.set_plugin_insert_param(insert:to_insert(), i, value) then placed = placed + 1 end
			end
		end
	end
	return placed
end

return sds
