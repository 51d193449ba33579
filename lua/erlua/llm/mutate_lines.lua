-- mutate_lines.lua - a file as lines: which of them may be edited, where its numbers, operators and statements are.
-- Lines and views are never changed once made: an edit makes new ones, so that they can be kept and shared.

local lex = require "erlua.llm.mutate_lex"

local M = {}

local LINES_KEPT = 4096          -- lexed lines remembered, at most twice as many
local STATEMENT_MAX = 24         -- lines of the longest statement that is edited as a whole

---A memory of at most `2 * limit` entries: when the young half is full it becomes the old one.
---@param limit integer
function M.memory(limit)
  local young, old, count = {}, {}, 0
  local memory = {}
  function memory.get(key)
    local value = young[key]
    if value ~= nil then return value end
    value = old[key]
    if value ~= nil then memory.put(key, value) end
    return value
  end
  function memory.put(key, value)
    if count >= limit then young, old, count = {}, young, 0 end
    young[key], count = value, count + 1
  end
  return memory
end

---@param text string
---@return string[] lines without their newlines; the last is what follows the last newline, often ""
function M.split(text)
  local lines, count = {}, 0
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    count = count + 1
    lines[count] = line
  end
  return lines
end

local SIGNS = "^[%s#/%*%-;%%!<>{}()%[%]=|]*$"      -- what may stand around a marker, as for any patch

local function is_marker(line, name)
  local first, last = line:find(name, 1, true)
  return first ~= nil and line:sub(1, first - 1):gsub("^\xEF\xBB\xBF", ""):find(SIGNS) ~= nil
    and line:find(SIGNS, last + 1) ~= nil
end

-- true for every line that may be edited; nil when all may.
local function editable_lines(lines, region)
  if not region or region == "" then return nil end
  local open, within = {}, false
  for i, line in ipairs(lines) do
    if is_marker(line, region .. "-END") then within = false end
    open[i] = within
    if is_marker(line, region .. "-START") then within = true end
  end
  return open
end

-- The lines of the table that opens on line i.
local function table_at(info, i)
  local depth = 0
  for j = i, #info do
    depth = depth + info[j].depth
    if depth <= 0 then return { i, j } end
  end
end

-- The tables of settings: the one that is called config, and behind it those of presets, `small = {` or `["small"] = {`.
local function find_settings(view, presets)
  local lines, info = view.lines, view.info
  for i = 1, #info do
    if not view.config and info[i].config then view.config = table_at(info, i) end
    local name = view.config and i > view.config[1] and lines[i]:match("^%s*%[?[\"']?([%w_]+)[\"']?%]?%s*[=:]%s*{")
    if name and presets[name] and not view.presets[name] then view.presets[name] = table_at(info, i) end
  end
  local function settle(range)
    for i = range[1], range[2] do view.settled[i] = true end
  end
  if view.config then settle(view.config) end
  for _, range in pairs(view.presets) do settle(range) end
  return view
end

-- The last line of the statement that begins at `first`, by words and brackets.
local function end_by_nesting(info, first)
  local depth = 0
  for i = first, math.min(#info, first + STATEMENT_MAX - 1) do
    if depth + info[i].low < 0 then return nil end
    depth = depth + info[i].depth
    if depth <= 0 and not info[i].open then return i end
  end
end

-- The same by indentation: lines that are deeper, or turn (`else:`), belong to it.
local function end_by_indent(info, first)
  local depth, last = 0, nil
  for i = first, math.min(#info, first + STATEMENT_MAX) do
    local line = info[i]
    local within = depth > 0 or line.inside or i == first
    local deeper = line.code and (line.indent > info[first].indent or line.turn and line.indent == info[first].indent)
    if line.code and not within and not deeper then return last end
    depth = depth + line.depth
    if depth + line.low < 0 then return nil end
    if line.code or line.inside then last = i end
  end
  return #info < first + STATEMENT_MAX and last or nil
end

-- Settings have edits of their own.
local function free(view, i) return (not view.open or view.open[i]) and not view.settled[i] end

local function may_edit(view, first, last)
  for i = first, last do
    if not free(view, i) then return false end
  end
  return true
end

---The statement that begins at a line, if one does and may be edited.
---@return integer|nil last its last line
function M.statement(view, first)
  local line = view.info[first]
  if not line.code or line.inside or line.low < 0 or line.turn then return nil end
  local last = (view.family.indent and end_by_indent or end_by_nesting)(view.info, first)
  return last and may_edit(view, first, last) and last or nil
end

---How many numbers or operators (`kind` "numbers", "ops") stand in lines that may be edited and hold no settings.
function M.count(view, kind)
  local total = 0
  for i, line in ipairs(view.info) do
    if free(view, i) then total = total + #line[kind] end
  end
  return total
end

---The nth of those that `count` counts: its line and its token.
function M.nth(view, kind, n)
  for i, line in ipairs(view.info) do
    if free(view, i) then
      local tokens = line[kind]
      if n <= #tokens then return { line = i, token = tokens[n] } end
      n = n - #tokens
    end
  end
end

local function lex_line(family, line, ends)
  local read = lex.line(family, line, ends)
  read.config = not ends and (line:find("^%s*local%s+config%s*=%s*{") or line:find("^%s*config%s*=%s*{")) ~= nil
  return read
end

---A reader of files: reader(path, lines) gives a view { path, family, lines, info, open, config, presets, settled }.
---@param region string|nil
---@param presets string[]|nil  names of tables of settings besides config
function M.reader(region, presets)
  local known, names = {}, {}
  for _, name in ipairs(presets or {}) do names[name] = true end
  for _, name in ipairs(lex.names) do known[name] = M.memory(LINES_KEPT) end
  return function(path, lines)
    local family = lex.family(path)
    local get, put = known[family.name].get, known[family.name].put
    local info, ends = {}, nil
    for i = 1, #lines do
      local line = lines[i]
      local key = ends and ends .. "\n" .. line or line
      local read = get(key)
      if not read then
        read = lex_line(family, line, ends)
        put(key, read)
      end
      info[i], ends = read, read.open
    end
    return find_settings({ path = path, family = family, lines = lines, info = info, open = editable_lines(lines, region),
      presets = {}, settled = {} }, names)
  end
end

return M
