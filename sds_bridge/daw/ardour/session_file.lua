-- Audio regions written into a closed Ardour 7 session file: Lua has no import where there is no editor.
local session_file = {}

local SUPERCLOCKS = 282240000

local function read(path)
	local file = assert(io.open(path, "rb"))
	local text = file:read("a")
	file:close()
	return text
end

-- beside, then renamed, so that a full disk leaves the old session
local function write(path, text)
	local beside = path .. ".part"
	local file = assert(io.open(beside, "wb"))
	assert(file:write(text))
	assert(file:close())
	assert(os.rename(beside, path))
end

local function escaped(text)
	return (text:gsub('[&<>"]', { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }))
end

local function literal(text)
	return (text:gsub("%p", "%%%0"))
end

-- Samples in the data chunk of a PCM or float WAV.
local function wav_length(content, path)
	assert(content:sub(1, 4) == "RIFF" and content:sub(9, 12) == "WAVE", path .. ": is no WAV file.")
	local at, frame = 13, nil
	while at + 8 <= #content do
		local kind, bytes = string.unpack("<c4I4", content, at)
		if kind == "fmt " then frame = string.unpack("<I2", content, at + 8 + 12) end
		if kind == "data" then return math.min(bytes, #content - at - 7) // assert(frame) end
		at = at + 8 + bytes + bytes % 2
	end
	error(path .. ": has no audio.", 0)
end

local function region(name, whole, id, sources, channels, length, position)
	local parts = {
		string.format('<Region name="%s" muted="0" opaque="1" locked="0" video-locked="0" automatic="0" whole-file="%d"', name, whole),
		' import="0" external="0" sync-marked="0" left-of-split="0" right-of-split="0" hidden="0" position-locked="0"',
		string.format(' valid-transients="0" start="a0" length="a%d@a%d" sync-position="a0" ancestral-start="a0"', length, position),
		string.format(' ancestral-length="a%d@a0" stretch="1" shift="1" layering-index="0" tags="" contents="0" type="audio"', length),
		' first-edit="nothing" envelope-active="0" default-fade-in="0" default-fade-out="0" fade-in-active="0"',
		string.format(' fade-out-active="0" scale-amplitude="1" channels="%d" id="%d"', channels, id),
	}
	for channel, source in ipairs(sources) do
		parts[#parts + 1] = string.format(' source-%d="%d" master-source-%d="%d"', channel - 1, source, channel - 1, source)
	end
	return table.concat(parts) .. "/>"
end

-- Add `content` to the element `name`, which may be empty.
local function insert(xml, name, content)
	local found
	xml, found = xml:gsub("<" .. name .. "/>", "<" .. name .. "></" .. name .. ">", 1)
	xml, found = xml:gsub("</" .. name .. ">", function(close) return content .. close end, 1)
	assert(found == 1, "the session has no " .. name .. ". Was it made by Ardour 7?")
	return xml
end

-- Copy the WAV of each of `placed` ({ track, path }) into the session's `folder` of audio files, and put it on its track
-- at `position` (samples). `path` is the session file.
function session_file.add(path, folder, rate, placed, channels, position)
	local xml = read(path)
	local next_id = tonumber(xml:match('id%-counter="(%d+)"'))
	assert(next_id and SUPERCLOCKS % rate == 0, "the session's ids or rate can't be read. Was it made by Ardour 7?")
	local function id()
		next_id = next_id + 1
		return next_id
	end
	local clock = SUPERCLOCKS // rate
	local last = 0
	for _, one in ipairs(placed) do
		local content = read(one.path)
		local length = wav_length(content, one.path)
		local source_id = id()
		local file = string.format("%s-%d.wav", one.track:gsub("[^%w]+", "-"), source_id)
		write(ARDOUR.LuaAPI.build_filename(folder, file), content)
		local sources, ids = {}, {}
		for channel = 0, channels - 1 do
			ids[channel + 1] = channel == 0 and source_id or id()
			sources[channel + 1] = string.format('<Source name="%s" take-id="" type="audio" flags="" id="%d" channel="%d" origin="" gain="1"/>',
				file, ids[channel + 1], channel)
		end
		xml = insert(xml, "Sources", table.concat(sources))
		local shown = escaped(one.track)
		xml = insert(xml, "Regions", region(shown, 1, id(), ids, channels, length * clock, 0))
		local part = region(shown, 0, id(), ids, channels, length * clock, position * clock)
		-- a new track's playlist is empty, and has its name
		local at = string.format('(<Playlist id="%%d+" name="%s[^"]*"[^>]*)/>', literal(shown))
		local found
		xml, found = xml:gsub(at, function(head) return head .. ">" .. part .. "</Playlist>" end, 1)
		assert(found == 1, "the track " .. one.track .. " has no empty playlist.")
		last = math.max(last, (position + length) * clock)
	end
	xml = xml:gsub('id%-counter="%d+"', string.format('id-counter="%d"', next_id + 1), 1)
	write(path, session_file.reaching(xml, last))
end

-- The session's range ends not before `last` (superclocks), as it does when the editor imports.
function session_file.reaching(xml, last)
	local found
	xml, found = xml:gsub('(<Location[^>]* end="a)(%d+)("[^>]*IsSessionRange)', function(before, ends, after)
		return before .. string.format("%d", math.max(tonumber(ends), last)) .. after
	end, 1)
	if found == 1 then return xml end
	local range = '<Location id="%d" name="session" start="a0" end="a%d" flags="IsSessionRange" locked="0" timestamp="0"/>'
	local id = tonumber(xml:match('id%-counter="(%d+)"'))
	xml = xml:gsub('id%-counter="%d+"', string.format('id-counter="%d"', id + 2), 1)
	return insert(xml, "Locations", string.format(range, id + 1, last))
end

return session_file
