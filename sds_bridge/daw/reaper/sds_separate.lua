-- SDS Bridge: separate the selected items into named stems, on new tracks under each item's.
local folder = ({ reaper.get_action_context() })[2]:match("^(.*[/\\])")
local sds = assert(loadfile(folder .. "sds_reaper.lua"))(folder)

local items = {}
for i = 0, reaper.CountSelectedMediaItems(0) - 1 do items[#items + 1] = reaper.GetSelectedMediaItem(0, i) end
if #items == 0 then return sds.say("No item is selected. Select the audio items to separate.") end
local fine, text = reaper.GetUserInputs("SDS Bridge: separate", 2,
	"What is in it (by ;):,Options (steps=100;seed=1):,extrawidth=200", "saxophone;traffic,")
if not fine then return end
local stems, options = text:match("^([^,]*),?(.*)$")
sds.separate(items, sds.bridge.names((stems:gsub(";", ","))), sds.bridge.names((options:gsub(";", ","))), function() end)
