-- What the REAPER and Ardour scripts share: asking the daemon through the sds-bridge command, whose answer is a JSON file.
-- Returns a table; needs Lua 5.3 or later and nothing of the DAW.
local bridge = {}

-- JSON text to tables; null is nil. Raises an error that names the place.
function bridge.json(text)
	local at = 1
	local value
	local escapes = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

	local function fail(wanted)
		error(string.format("JSON: %s expected at character %d", wanted, at), 0)
	end
	local function skip()
		at = text:find("[^ \t\r\n]", at) or #text + 1
	end
	local function take(symbol)
		skip()
		if text:sub(at, at) ~= symbol then return false end
		at = at + 1
		return true
	end
	local function unicode()
		local code = tonumber(text:match("^%x%x%x%x", at) or fail("four hex digits"), 16)
		at = at + 4
		return code
	end
	local function string_()
		local parts = {}
		while true do
			local plain, stop = text:match('^([^"\\]*)(["\\])', at)
			if not plain then fail('"') end
			at = at + #plain + 1
			parts[#parts + 1] = plain
			if stop == '"' then return table.concat(parts) end
			local letter = text:sub(at, at)
			at = at + 1
			if letter == "u" then
				local code = unicode()
				if code >= 0xD800 and code < 0xDC00 and text:sub(at, at + 1) == "\\u" then
					at = at + 2
					code = 0x10000 + (code - 0xD800) * 0x400 + unicode() - 0xDC00
				end
				letter = utf8.char(code)
			end
			parts[#parts + 1] = escapes[letter] or letter
		end
	end
	local function list()
		local found = {}
		if take("]") then return found end
		repeat found[#found + 1] = value() until not take(",")
		return take("]") and found or fail("]")
	end
	local function object()
		local found = {}
		if take("}") then return found end
		repeat
			local name = take('"') and string_() or fail("a name")
			if not take(":") then fail(":") end
			found[name] = value()
		until not take(",")
		return take("}") and found or fail("}")
	end
	function value()
		if take('"') then return string_() end
		if take("{") then return object() end
		if take("[") then return list() end
		local word = text:match("^[%w+.-]+", at) or fail("a value")
		at = at + #word
		if word == "true" or word == "false" then return word == "true" end
		if word == "null" then return nil end
		return tonumber(word) or fail("a number")
	end

	local found = value()
	skip()
	return at > #text and found or fail("the end")
end

-- "kick, tenor saxophone" to { "kick", "tenor saxophone" }.
function bridge.names(text)
	local found = {}
	for name in text:gmatch("[^,]+") do
		name = name:match("^%s*(.-)%s*$")
		if name ~= "" then found[#found + 1] = name end
	end
	return found
end

-- Words as one command line; `windows` picks that system's quoting, by which its programs take a line apart.
function bridge.quoted(words, windows)
	local found = {}
	for i, word in ipairs(words) do
		if windows then
			local inner = word:gsub('(\\*)"', '%1%1\\"'):gsub("(\\+)$", "%1%1")
			found[i] = '"' .. inner .. '"'
		else
			found[i] = "'" .. word:gsub("'", "'\\''") .. "'"
		end
	end
	return table.concat(found, " ")
end

-- The words that ask for a job and keep its answer in the file `answer`. `request` has the `kind` ("separate", "tune"),
-- its `subject` (clip or prompt), the `words` of its own options, and `options` as { "steps=100" }.
function bridge.words(config, answer, request)
	local words = {}
	local function add(...)
		for _, word in ipairs({ ... }) do words[#words + 1] = word end
	end
	add(table.unpack(config.command))
	add("daw", "ask", request.kind, "--answer", answer, "--port", tostring(config.port))
	if config.token_file then add("--token-file", config.token_file) end
	add(table.unpack(request.words))
	for _, option in ipairs(request.options or {}) do add("--set", option) end
	add("--", request.subject)
	return words
end

-- What is asked for to separate a clip, or to tune a patch.
function bridge.separation(clip, stems, options)
	if #stems == 0 then error("no stem is named. Name what is in the clip, as: saxophone, traffic", 0) end
	local words = {}
	for _, stem in ipairs(stems) do words[#words + 1] = "--stem=" .. stem end
	return { kind = "separate", subject = clip, words = words, options = options }
end

function bridge.tuning(prompt, synth, plugin, options)
	return { kind = "tune", subject = prompt, words = { "--synth=" .. synth, "--plugin=" .. plugin }, options = options }
end

-- How the job is, or nil while the file isn't there yet.
function bridge.read(answer)
	local file = io.open(answer, "rb")
	if not file then return nil end
	local text = file:read("a")
	file:close()
	return bridge.json(text)
end

-- Ask the command that follows the job to cancel it.
function bridge.cancel(answer)
	local file = io.open(answer .. ".cancel", "wb")
	if file then file:close() end
end

-- Whether the job has ended, however it did.
function bridge.ended(state)
	return state ~= nil and (state.status == "done" or state.status == "failed" or state.status == "cancelled")
end

-- "running, step 3 of 60, 12 s left"
function bridge.told(state)
	if not state then return "asking the daemon" end
	local text = state.status
	if state.steps and state.steps > 0 then text = string.format("%s, step %d of %d", text, state.step, state.steps) end
	if state.seconds_left and state.seconds_left > 0 then text = string.format("%s, %.0f s left", text, state.seconds_left) end
	return text
end

return bridge
