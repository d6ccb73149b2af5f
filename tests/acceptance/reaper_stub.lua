-- A stand-in for REAPER's ReaScript API, as its documentation has it, for the functions that our scripts call: any other is
-- an error. Not REAPER.
-- lua5.4 reaper_stub.lua SCRIPT RESOURCES DIALOG-TEXT [CLIP POSITION START-OFFSET]...   then prints the project.
local script, resources, dialog = arg[1], arg[2], arg[3]
local tracks, deferred, exits, selected = {}, {}, {}, {}
local blocks, frozen = 0, 0

local function kind(value, name)
	assert(type(value) == "table" and value.kind == name, "a " .. name .. " is wanted, not " .. tostring(value))
	return value
end
local function text(value) assert(type(value) == "string", "a string is wanted, not " .. tostring(value)) return value end
local function number(value) assert(type(value) == "number", "a number is wanted, not " .. tostring(value)) return value end
local function whole(value) assert(math.type(value) == "integer", "a whole number is wanted, not " .. tostring(value)) return value end

local ITEM = { D_POSITION = 0, D_LENGTH = 0, D_VOL = 1, B_MUTE = 0, D_FADEINLEN = 0.01, D_FADEOUTLEN = 0.01,
	D_FADEINLEN_AUTO = -1, D_FADEOUTLEN_AUTO = -1 }
local TAKE = { D_STARTOFFS = 0, D_PLAYRATE = 1, D_PITCH = 0 }
local function values(of)
	local made = {}
	for name, value in pairs(of) do made[name] = value end
	return made
end
local function value_of(object, name)
	local value = object.values[text(name)]
	assert(value, name .. ": no such value")
	return value
end

reaper = {}
function reaper.get_action_context() return false, script, 0, 0, 0, 0, 0 end
function reaper.GetOS() return "Other" end
function reaper.GetResourcePath() return resources end
function reaper.time_precise() return os.time() + 0.0 end
function reaper.file_exists(path)
	local file = io.open(text(path))
	if file then file:close() end
	return file ~= nil
end
function reaper.ShowConsoleMsg(said) print("console|" .. text(said):gsub("\n$", "")) end
function reaper.ShowMessageBox(said, title, buttons)
	text(title)
	whole(buttons)
	print("message|" .. text(said))
	return 1
end
function reaper.GetUserInputs(title, count, captions, defaults)
	local fields, separator = 0, ","
	for caption in text(captions):gmatch("[^,]+") do
		separator = caption:match("^separator=(.)$") or separator
		if not caption:match("^%w+=") then fields = fields + 1 end
	end
	assert(fields == whole(count), "captions and count differ")
	local _, found = text(defaults):gsub(separator, "")
	assert(found == count - 1, "defaults and count differ")
	_, found = dialog:gsub(separator, "")
	assert(found == count - 1, "the test's answer has other fields")
	return dialog ~= "", dialog
end
-- -1 doesn't wait
function reaper.ExecProcess(command, timeout)
	assert(whole(timeout) == -1)
	os.execute(text(command) .. " >/dev/null 2>&1 &")
	return "0"
end
function reaper.defer(work) assert(type(work) == "function") deferred[#deferred + 1] = work return true end
function reaper.atexit(work) assert(type(work) == "function") exits[#exits + 1] = work end

function reaper.CountSelectedMediaItems(project) assert(project == 0) return #selected end
function reaper.GetSelectedMediaItem(project, index) assert(project == 0) return selected[whole(index) + 1] end
function reaper.GetActiveTake(item) return kind(item, "item").take end
function reaper.TakeIsMIDI(take) kind(take, "take") return false end
function reaper.GetMediaItemTake_Source(take) return kind(take, "take").source end
function reaper.GetMediaSourceFileName(source, buffer) text(buffer) return kind(source, "source").path end
function reaper.GetMediaSourceLength(source) return kind(source, "source").length, false end
function reaper.GetMediaItemInfo_Value(item, name) return value_of(kind(item, "item"), name) + 0.0 end
function reaper.SetMediaItemInfo_Value(item, name, value)
	value_of(kind(item, "item"), name)
	item.values[name] = number(value)
	return true
end
function reaper.GetMediaItemTakeInfo_Value(take, name) return value_of(kind(take, "take"), name) + 0.0 end
function reaper.GetMediaItemTrack(item) return kind(item, "item").track end
function reaper.GetMediaTrackInfo_Value(track, name)
	assert(name == "IP_TRACKNUMBER")
	for i, one in ipairs(tracks) do if one == kind(track, "track") then return i + 0.0 end end
end
function reaper.CountTracks(project) assert(project == 0) return #tracks end
function reaper.GetTrack(project, index) assert(project == 0) return tracks[whole(index) + 1] end
function reaper.InsertTrackAtIndex(index, defaults)
	assert(type(defaults) == "boolean" and whole(index) >= 0 and index <= #tracks)
	table.insert(tracks, index + 1, { kind = "track", name = "", items = {}, plugins = {} })
end
function reaper.GetSetMediaTrackInfo_String(track, name, value, set)
	assert(name == "P_NAME" and set == true)
	kind(track, "track").name = text(value)
	return true, value
end
function reaper.AddMediaItemToTrack(track)
	local item = { kind = "item", track = kind(track, "track"), values = values(ITEM) }
	table.insert(track.items, item)
	return item
end
function reaper.AddTakeToMediaItem(item)
	item.take = { kind = "take", name = "", values = values(TAKE) }
	return kind(item, "item").take
end
function reaper.PCM_Source_CreateFromFile(path)
	local file = assert(io.open(text(path), "rb"))
	local header = file:read(12) and file
	local length, frame, rate
	while header do
		local id, bytes = string.unpack("<c4I4", file:read(8))
		if id == "fmt " then
			local content = file:read(bytes)
			rate, frame = string.unpack("<I4", content, 5), string.unpack("<I2", content, 13)
		elseif id == "data" then
			length = bytes // frame / rate
			break
		else
			file:seek("cur", bytes + bytes % 2)
		end
	end
	file:close()
	return { kind = "source", path = path, length = length }
end
function reaper.SetMediaItemTake_Source(take, source) kind(take, "take").source = kind(source, "source") return true end
function reaper.GetSetMediaItemTakeInfo_String(take, name, value, set)
	assert(name == "P_NAME" and set == true)
	kind(take, "take").name = text(value)
	return true, value
end
function reaper.TrackFX_AddByName(track, name, recorded, instantiate)
	assert(recorded == false and instantiate == -1)
	if text(name) ~= "FM6" then return -1 end
	table.insert(kind(track, "track").plugins, { name = name, values = {} })
	return #track.plugins - 1
end
local LABELS = { "Op1 ratio", "Op1 level", "Feedback", "Bypass" }
function reaper.TrackFX_GetNumParams(track, fx) kind(track, "track") whole(fx) return #LABELS end
function reaper.TrackFX_GetParamName(track, fx, index, buffer)
	kind(track, "track")
	text(buffer)
	return true, LABELS[whole(index) + 1]
end
function reaper.TrackFX_SetParamNormalized(track, fx, index, value)
	assert(number(value) >= 0 and value <= 1)
	track.plugins[fx + 1].values[LABELS[whole(index) + 1]] = value
	return true
end
function reaper.GetCursorPosition() return 2.25 end
function reaper.Undo_BeginBlock() blocks = blocks + 1 end
function reaper.Undo_EndBlock(name, flags)
	whole(flags)
	blocks = blocks - 1
	print("undo|" .. text(name))
end
function reaper.PreventUIRefresh(by) frozen = frozen + whole(by) end
function reaper.UpdateArrange() end
setmetatable(reaper, { __index = function(_, name) error("reaper." .. tostring(name) .. ": not in the stub") end })

for i = 4, #arg, 3 do
	if #tracks == 0 then reaper.InsertTrackAtIndex(0, true) tracks[1].name = "mix" end
	local item = reaper.AddMediaItemToTrack(tracks[1])
	local take = reaper.AddTakeToMediaItem(item)
	take.source = reaper.PCM_Source_CreateFromFile(arg[i])
	item.values.D_POSITION, take.values.D_STARTOFFS = tonumber(arg[i + 1]), tonumber(arg[i + 2])
	item.values.D_LENGTH = take.source.length - take.values.D_STARTOFFS
	selected[#selected + 1] = item
end
dofile(script)
while #deferred > 0 do
	local now = deferred
	deferred = {}
	for _, work in ipairs(now) do work() end
	os.execute("sleep 0.05")
end
for _, work in ipairs(exits) do work() end
assert(blocks == 0 and frozen == 0, "undo or refresh is left open")
for i, track in ipairs(tracks) do
	print("track|" .. i .. "|" .. track.name)
	for _, item in ipairs(track.items) do
		local v = item.values
		print(table.concat({ "item", i, item.take.name, item.take.source.path, v.D_POSITION, v.D_LENGTH, v.D_VOL, v.B_MUTE,
			v.D_FADEINLEN_AUTO }, "|"))
	end
	for _, plugin in ipairs(track.plugins) do
		for name, value in pairs(plugin.values) do print(table.concat({ "parameter", i, name, value }, "|")) end
	end
end
