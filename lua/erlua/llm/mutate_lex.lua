-- mutate_lex.lua - one line of a program at a time: its numbers and operators, and what it opens and closes.
-- It knows the comments and strings of a few families of languages, so that edits leave both alone, and little else:
-- whether a result is a program is for the language's own compiler to say.

local M = {}

local function set(words)
  local s = {}
  for word in words:gmatch("%S+") do s[word] = true end
  return s
end

-- What a family says: how comments begin, its quotes, `nests`: what bounds a statement (brackets always do), words
-- that open and close one, groups of operators that may stand for one another. `spaced` operators count only between
-- blanks: without knowing the language, `-` may be a flag and `*` a pointer.
local FAMILIES = {
  lua = {
    comment = "^%-%-", quote = "^[\"']", long = true,
    opens = set "function do then repeat", closes = set "end until elseif", turns = set "else",
    groups = { { "+", "-", "*", "/" }, { "<=", ">=", "==", "~=", "<", ">" }, { "and", "or" }, { "true", "false" } },
  },
  python = {
    comment = "^#", quote = "^[\"']", triple = true, indent = true, turns = set "else elif except finally",
    groups = { { "+", "-", "*", "/" }, { "<=", ">=", "==", "!=", "<", ">" }, { "and", "or" }, { "True", "False" },
      { "+=", "-=" } },
  },
  c = {
    comment = "^//", block = true, quote = "^[\"']", spaced = true, directive = "^%s*#%s*(%a+)",
    groups = { { "+", "-", "*", "/" }, { "<=", ">=", "==", "!=", "<", ">" }, { "&&", "||" }, { "true", "false" },
      { "+=", "-=" } },
  },
  other = {
    comment = "^#", quote = "^\"", spaced = true, indent = true,
    groups = { { "+", "-", "*", "/" }, { "<=", ">=", "==", "!=", "<", ">" }, { "true", "false" } },
  },
}
M.names = { "lua", "python", "c", "other" }
for _, name in ipairs(M.names) do
  local family = FAMILIES[name]
  family.name, family.group = name, {}
  for _, group in ipairs(family.groups) do
    for _, op in ipairs(group) do family.group[op] = group end
  end
  for _, key in ipairs { "opens", "closes", "turns" } do family[key] = family[key] or {} end
end

local EXTENSIONS = {
  lua = "lua", py = "python", c = "c", h = "c", cc = "c", cpp = "c", hpp = "c", cu = "c", cuh = "c", js = "c",
  ts = "c", java = "c", go = "c", rs = "c",
}

-- Words after which `-` and `*` have no left side.
local NOT_A_VALUE = set "return and or not in if elif else elseif while until then do lambda print case yield"

---The family of languages that a file's name belongs to.
---@param path string
---@return table
function M.family(path)
  return FAMILIES[EXTENSIONS[path:match("%.(%w+)$") or ""] or "other"]
end

-- The last byte of a plain decimal number at `at`, or nil for what only begins like one (0x1F, 1_000, 1.2.3);
-- and where to go on.
local function scan_number(line, at)
  local stop = line:match("^%d+%.%d+()", at) or line:match("^%.%d+()", at)
  if not stop then
    stop = line:match("^%d+()", at)
    local dot = line:match("^%.()", stop)
    if dot and not line:find("^[%.%a_]", dot) then stop = dot end
  end
  stop = line:match("^[eE][+-]?%d+()", stop) or stop
  local tail = line:match("^[%w_%.]*()", stop)
  if line:find("^%a*[%d_]", stop) or line:find("^%a*%.%w", stop) then return nil, tail end
  return stop - 1, line:match("^%a*()", stop)
end

-- Where a string that began with the quote at `at` has ended; a line is enough, an open end is the language's matter.
local function scan_quoted(line, at)
  local quote = line:sub(at, at)
  local from = at + 1
  while true do
    local stop = line:find("[\\" .. quote .. "]", from)
    if not stop then return #line + 1 end
    if line:byte(stop) ~= 92 then return stop + 1 end
    from = stop + 2
  end
end

-- What ends the comment or string of many lines that begins at `at`: where to go on and the closing text; nothing if none does.
local function scan_long(family, line, at)
  if family.long then
    local level, stop = line:match("^%[(=*)%[()", line:match("^%-%-()", at) or at)
    if level then return stop, "]" .. level .. "]" end
  elseif family.block and line:find("^/%*", at) then
    return at + 2, "*/"
  elseif family.triple then
    local mark = line:match('^"""', at) or line:match("^'''", at)
    if mark then return at + 3, mark end
  end
end

local function nest(info, change)
  info.depth = info.depth + change
  if info.depth < info.low then info.low = info.depth end
end

local function scan_word(family, line, at, info)
  local word, stop = line:match("^([%a_][%w_]*)()", at)
  if family.opens[word] then
    nest(info, 1)
  elseif family.closes[word] then
    nest(info, -1)
  elseif family.turns[word] then
    if family.indent then info.turn = info.turn or not info.code else nest(info, -1) nest(info, 1) end
  end
  if family.group[word] then info.ops[#info.ops + 1] = { at, stop - 1, word } end
  return stop, not NOT_A_VALUE[word]
end

-- A run such as `<=` or `+`. An unknown run (`->`, `=-`, `**`) is passed over whole.
local function scan_operator(family, line, at, info, after_value)
  local run, stop = line:match("^([%+%-%*/<>=~!&|%%%^]+)()", at)
  for cut = 2, #run do
    if line:find(family.comment, at + cut - 1) then run, stop = run:sub(1, cut - 1), at + cut - 1 break end
  end
  local apart = not family.spaced or (line:find("^%s", at - 1) and line:find("^%s", stop))
  if after_value and apart and family.group[run] then info.ops[#info.ops + 1] = { at, stop - 1, run } end
  return stop
end

-- A number that says which one rather than how much: t[1], and a digit that is a whole argument, as in x:size(2), f(x, -1).
local function is_index(line, at, last)
  if line:find("^%[", at - 1) and line:find("^%]", last + 1) then return true end
  if last > at or not line:find("^%s*[,)]", last + 1) then return false end
  local before = at - 1
  if line:byte(before) == 45 then before = before - 1 end                    -- a sign
  while before > 0 and line:find("^%s", before) do before = before - 1 end
  return before > 0 and line:find("^[(,]", before) ~= nil
end

-- One token at `at`: where the next begins, and whether this one is a value (so that a `-` behind it is no sign).
local function scan_token(family, line, at, info, after_value)
  local byte = line:byte(at)
  if byte >= 48 and byte <= 57 or byte == 46 and not after_value and line:find("^%.%d", at) then
    local last, stop = scan_number(line, at)
    if last then
      info.numbers[#info.numbers + 1] = { at, last, index = is_index(line, at, last) }
    end
    return stop, true
  elseif line:find("^[%a_]", at) then
    return scan_word(family, line, at, info)
  elseif line:find("^[%+%-%*/<>=~!&|%%%^]", at) then
    return scan_operator(family, line, at, info, after_value), false
  elseif line:find("^[%(%[{]", at) then
    nest(info, 1)
    return at + 1, false
  elseif line:find("^[%)%]}]", at) then
    nest(info, -1)
    return at + 1, true
  end
  local member = after_value and line:byte(at - 1) ~= 46 and line:match("^%.[%w_]+()", at)      -- v1.2, not 1..2
  return member or at + 1, byte == 46
end

-- At a comment or string: where it ends, and the closing text when that lies on a later line.
local function scan_quiet(family, line, at)
  local stop, mark = scan_long(family, line, at)
  if mark then
    local _, last = line:find(mark, stop, true)
    if last then return last + 1 end
    return #line + 1, mark
  end
  if line:find(family.comment, at) then return #line + 1 end
  if line:find(family.quote, at) then return scan_quoted(line, at) end
end

---Reads one line.
---@param family table from M.family
---@param line string without its newline
---@param open string|nil the text that ends the comment or string in which the line begins
---@return table info numbers {first, last, index=}, ops {first, last, text}, depth (its change), low (its least), code,
---indent, turn (an `else` by indentation), open (as the parameter, for the next line)
function M.line(family, line, open)
  local info = { numbers = {}, ops = {}, depth = 0, low = 0, code = false, inside = open ~= nil }
  local at, after_value = 1, false
  if open then
    local _, last = line:find(open, 1, true)
    if not last then
      info.open = open
      return info
    end
    at = last + 1
  end
  local directive = family.directive and line:match(family.directive)
  if directive and directive ~= "define" then return info end
  while true do
    at = line:match("^%s*()", at)
    if at > #line then break end
    local stop, mark = scan_quiet(family, line, at)
    if stop then
      info.open = mark
      after_value, at = true, stop
    else
      at, after_value = scan_token(family, line, at, info, after_value)
      info.code = true
    end
  end
  info.indent = #line:match("^%s*")
  return info
end

return M
