-- ideas_parse.lua - from a model's reply to ideas.  What is asked for is one idea between
-- <idea> and </idea>; what is understood besides: other tags, missing ends, JSON, headings
-- and numbered lists.  The first form that yields an idea counts; nothing here raises.

local json = require("erlua.json")

local M = {}

-- Replies are read with patterns that cost no more than their length, whatever they hold.
local LARGEST = 1 << 20        -- bytes of a reply
local MOST = 200               -- ideas of one reply
local LONGEST = 8000           -- bytes of one idea
local SHORTEST = 3             -- words of one idea
local PARENTS = 3              -- trials that one idea may build on

local MARKUP = "[%s%*_#>%-`]*"                  -- what markdown puts around words

-- ---- one idea ---------------------------------------------------------------------

local function trim(s) return s:match("^%s*(.*%S)") or "" end

-- Without the signs of emphasis.
local function unmarked(s) return (s:gsub("%*%*", ""):gsub("__", "")) end

local function words(s)
  local n = 0
  for word in s:gmatch("[%w\x80-\xff][%w\x80-\xff']*") do n = n + math.ceil(#word / 12) end     -- some scripts have no spaces
  return n
end

-- "**Title:** rest" -> "title", "rest"
local function field(line)
  local colon = line:sub(1, 40):find(":", 1, true)
  if not colon then return nil end
  local name = line:sub(1, colon - 1):match("^" .. MARKUP .. "(%a[%a ]*)[%*_`]*%s*$")
  if name then return trim(name):lower(), trim((line:sub(colon + 1):gsub("^[%*_`]+", ""))) end
end

local BUILDS_ON = { ["builds on"] = true, ["based on"] = true, parents = true, parent = true }

local function numbers_in(s, out)
  for n in s:gmatch("%d+") do
    if #out >= PARENTS then break end
    n = math.tointeger(tonumber(n))
    if n then out[#out + 1] = n end
  end
  return out
end

-- Bytes that no terminal and no prompt wants.
local function plain(s) return (s:gsub("\r\n?", "\n"):gsub("[%z\1-\8\11-\31\127]", " ")) end

local function cut(s)
  if #s <= LONGEST then return s end
  return s:sub(1, (utf8.offset(s, 0, LONGEST) or LONGEST) - 1) .. "…"
end

-- An idea of a text: its title first, "Builds on" apart.
local function idea_of(body)
  local title, lines, parents = nil, {}, {}
  for line in (plain(body) .. "\n"):gmatch("(.-)\n") do
    local name, rest = field(line)
    if name == "title" and not title and rest ~= "" then title = unmarked(rest)
    elseif BUILDS_ON[name] then numbers_in(rest, parents)
    else lines[#lines + 1] = line end
  end
  local rest = trim(table.concat(lines, "\n"))
  local text = title and trim(title .. "\n" .. rest) or rest
  if words(text) < SHORTEST then return nil end
  return { text = cut(text), parents = parents, body = body }
end

local function ideas_of(bodies)
  local out = {}
  for i = 1, math.min(#bodies, MOST) do out[#out + 1] = idea_of(bodies[i]) end
  return out
end

-- ---- tags -----------------------------------------------------------------------------

local OPEN = { idea = "open", experiment = "open", ["/idea"] = "close", ["/experiment"] = "close", ["end"] = "close",
  ["end idea"] = "close", ["end experiment"] = "close" }

-- All tags of a reply in their order: { kind, from, to }.
local function tags_in(text)
  local out, at = {}, 1
  while #out < 4 * MOST do
    local from, to, word = text:find("[<%[](/?%a[%a ]*)[^<>%[%]\n]-[>%]]", at)
    if not from then break end
    word = word:lower():gsub("%s+$", "")
    local kind = OPEN[word] or OPEN[word:match("^%S+")]
    if kind then out[#out + 1] = { kind = kind, from = from, to = to } end
    at = to + 1
  end
  return out
end

-- Does the tag begin its line, or follow the one before it?  One inside a sentence is talked
-- about, not used.
local function begins(text, tag, before)
  local from = before and before.to + 1 or 1
  local line = text:sub(math.max(tag.from - 40, from), tag.from - 1)
  local bare = line:match("\n([^\n]*)$") or (#line == tag.from - from and line)
  return bare and bare:find("^[%s%*_#>%-`%d%.%)]*$") ~= nil
end

-- A list's number before the next idea's tag is no part of this one.
local function without_marker(body)
  local rest, last = body:match("^(.*)\n([^\n]*)$")
  return rest and last:find("^[%s%*_#>%-`%d%.%)]*$") and rest or body
end

-- Between an opening tag and its end, or where that is missing the next opening one.
local function by_tags(text, cut_off)
  local tags, bodies = tags_in(text), {}
  for i, tag in ipairs(tags) do
    local after = tags[i + 1]
    local closed = after and after.kind == "close"
    if tag.kind == "open" and (closed or begins(text, tag, tags[i - 1])) and (closed or after or not cut_off) then
      local body = text:sub(tag.to + 1, after and after.from - 1 or #text)
      bodies[#bodies + 1] = closed and body or without_marker(body)
    end
  end
  return ideas_of(bodies)
end

-- ---- JSON --------------------------------------------------------------------------------

local LISTS = { "ideas", "experiments", "proposals", "items" }
local PARTS = { "description", "idea", "text", "rationale", "motivation", "changes", "code_changes", "implementation" }

local function words_of(v)
  if type(v) == "string" then return v end
  if type(v) ~= "table" or v == json.null then return nil end
  local out = {}
  for _, item in ipairs(v) do out[#out + 1] = words_of(item) end
  return #out > 0 and table.concat(out, "\n") or nil
end

local function body_of(item)
  if type(item) == "string" then return item end
  if type(item) ~= "table" then return nil end
  local lines = { words_of(item.title or item.name) and "Title: " .. words_of(item.title or item.name) }
  for _, name in ipairs(PARTS) do lines[#lines + 1] = words_of(item[name]) end
  local parents = item.builds_on or item.parents
  if type(parents) == "table" then
    local ids = {}
    for _, id in ipairs(parents) do ids[#ids + 1] = tostring(id) end
    lines[#lines + 1] = "Builds on: " .. table.concat(ids, ", ")
  elseif parents ~= nil then lines[#lines + 1] = "Builds on: " .. tostring(parents) end
  return table.concat(lines, "\n")
end

local function list_in(value)
  if type(value) ~= "table" then return {} end
  for _, name in ipairs(LISTS) do
    if type(value[name]) == "table" then return value[name] end
  end
  return #value > 0 and value or { value }
end

-- A JSON text in a fence, or from the first line that looks like one to the last bracket.
local function json_in(text)
  local fenced = text:match("```%s?[jJ][sS][oO][nN]%s?\n(.-)```")
  if fenced then return fenced end
  local from = text:find("^[%[{]") or text:find("\n[%[{]")
  return from and text:sub(from):match("^(.*[%]}])")
end

local function by_json(text)
  local source = json_in(text)
  local value = source and json.decode(source)
  local bodies = {}
  for _, item in ipairs(list_in(value)) do bodies[#bodies + 1] = body_of(item) end
  return ideas_of(bodies)
end

-- ---- headings and numbered lists ---------------------------------------------------------

-- The number and the rest of a line that begins an idea, by one way to write it.
local WAYS = {
  function(line)
    local word, n, rest = line:match("^" .. MARKUP .. "(%a+)%s*#?(%d+)[%*_`]*%s*[:%.%)%-–—]*%s*(.*)$")
    word = word and word:lower()
    if word == "idea" or word == "experiment" or word == "proposal" then return n, rest end
  end,
  function(line) return line:match("^#+%s*[%*_]*(%d+)[%.%):]%s*(.*)$") end,
  function(line) return line:match("^%s?%s?[%*_]*(%d+)[%.%)][%*_]*%s+(.*)$") end,
}

-- Lines numbered 1, 2, 3 … each begin an idea; those in between belong to the one above.
local function by_numbers(text, way)
  local bodies, body = {}, nil
  for line in (text .. "\n"):gmatch("(.-)\r?\n") do
    local n, rest = way(line)
    if n and tonumber(n) == #bodies + 1 then
      body = { unmarked(rest) }
      bodies[#bodies + 1] = body
    elseif body then body[#body + 1] = line end
  end
  for i, b in ipairs(bodies) do bodies[i] = table.concat(b, "\n") end
  return bodies
end

local function by_headings(text)
  for _, way in ipairs(WAYS) do
    local ideas = ideas_of(by_numbers(text, way))
    if #ideas > 0 then return ideas end
  end
  return {}
end

-- A single idea without any sign around it, but with the parts that were asked for.
local function by_fields(text)
  local from
  for at, line in text:gmatch("()([^\n]+)") do
    local name = field(line)
    if name == "title" then from = from or at end
    if from and (name == "description" or name == "changes") then return ideas_of { text:sub(from) } end
  end
  return {}
end

---The ideas of a reply.
---@param text string
---@param cut_off? boolean  the reply ends before its end: an idea without an end tag is not whole
---@return {text: string, parents: integer[], body: string}[]  parents as the model names them
function M.ideas(text, cut_off)
  text = text:sub(1, LARGEST)
  for _, form in ipairs { by_tags, by_json, by_headings, by_fields } do
    local ideas = form(text, cut_off)
    if #ideas > 0 then return ideas end
  end
  return {}
end

return M
