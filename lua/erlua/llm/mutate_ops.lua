-- mutate_ops.lua - the edits themselves. Each takes a view of a file, a generator and a step size, and gives new lines
-- and the edit in words, or nil when this file has no place for it or the draw came to nothing.

local number = require "erlua.llm.mutate_number"
local views = require "erlua.llm.mutate_lines"

local M = {}

local LINE_DRAWS = 20            -- for a line where a statement begins
local INDEX_SHARE = 0.1          -- of draws of an index such as t[1] that stand

local function pick(list, random) return list[random:int(#list)] end

-- A line as an idea may quote it: short, printable, good UTF-8.
local function quoted(line)
  local text = line:match("^%s*(.-)%s*$"):gsub("%c", " ")
  if not utf8.len(text) then text = text:gsub("[\x80-\xFF]", "?") end
  if #text > 60 then text = text:sub(1, (utf8.offset(text, 0, 58)) - 1) .. "..." end
  return "`" .. text .. "`"
end

local function place(view, line) return view.path .. " line " .. line end

-- `lines` with `count` of them from `at` on replaced.
local function splice(lines, at, count, replacement)
  local out = table.move(lines, 1, at - 1, 1, {})
  table.move(replacement, 1, #replacement, at, out)
  return table.move(lines, at + count, #lines, #out + 1, out)
end

local function put(view, found, text)
  local line = view.lines[found.line]
  local new = line:sub(1, found.token[1] - 1) .. text .. line:sub(found.token[2] + 1)
  return splice(view.lines, found.line, 1, { new }), new
end

local function draw_token(view, kind, random)
  local total = views.count(view, kind)
  return total > 0 and views.nth(view, kind, random:int(total)) or nil
end

---Another number in the place of one.
function M.number(view, random, step)
  local found = draw_token(view, "numbers", random)
  if not found then return nil end
  if found.token.index and random:unit() > INDEX_SHARE then return nil end
  local line = view.lines[found.line]
  local old = line:sub(found.token[1], found.token[2])
  local new = number.near(old, random, step)
  if not new or new == old or new:find("^-") and line:find("^[-%w_]", found.token[1] - 1) then return nil end
  local lines, after = put(view, found, new)
  return lines, string.format("Change %s to %s in %s: %s", old, new, place(view, found.line), quoted(after)), true
end

-- The numbers that stand at the same places of two lines and differ: { before, after, token }.
local function moved_numbers(before, i, after, j)
  local from, to = before.info[i].numbers, after.info[j].numbers
  local moved = {}
  for n, token in ipairs(#from == #to and to or {}) do
    local old = before.lines[i]:sub(from[n][1], from[n][2])
    local new = after.lines[j]:sub(token[1], token[2])
    if old ~= new then moved[#moved + 1] = { old, new, token } end
  end
  return moved
end

---A number that the parent changed, moved further the same way.
---@param before table the pristine view
---@param hunks table[] from the pristine view to `view`
function M.further(view, before, hunks, random)
  if #hunks == 0 then return nil end
  local hunk, shift = random:int(#hunks), 0
  for i = 1, hunk - 1 do shift = shift + #hunks[i].lines - (hunks[i].to - hunks[i].from + 1) end
  hunk = hunks[hunk]
  if hunk.from ~= hunk.to or #hunk.lines ~= 1 then return nil end
  local at = hunk.from + shift
  local moved = moved_numbers(before, hunk.from, view, at)
  if #moved == 0 then return nil end
  local old, new, token = table.unpack(pick(moved, random))
  local text = number.further(old, new, random)
  if not text or text == new then return nil end
  local lines, after = put(view, { line = at, token = token }, text)
  return lines, string.format("Go on from %s over %s to %s in %s: %s", old, new, text, place(view, at), quoted(after)), true
end

---Another operator of its kind in the place of one.
function M.operator(view, random)
  local found = draw_token(view, "ops", random)
  if not found then return nil end
  local old = found.token[3]
  local new = pick(view.family.group[old], random)
  if new == old then return nil end
  local lines, after = put(view, found, new)
  return lines, string.format("Change `%s` to `%s` in %s: %s", old, new, place(view, found.line), quoted(after))
end

local function indented(lines, from, to)
  local out = {}
  for i, line in ipairs(lines) do
    out[i] = line:sub(1, #from) == from and to .. line:sub(#from + 1) or line
  end
  return out
end

local function cut(view, statement) return table.move(view.lines, statement[1], statement[2], 1, {}) end

local function indent_of(view, statement) return view.lines[statement[1]]:match("^%s*") end

local function draw_statement(view, random)
  for _ = 1, #view.lines > 0 and LINE_DRAWS or 0 do
    local first = random:int(#view.lines)
    local last = views.statement(view, first)
    if last then return { first, last } end
  end
end

---Takes a statement out.
function M.delete(view, random)
  local s = draw_statement(view, random)
  if not s then return nil end
  return splice(view.lines, s[1], s[2] - s[1] + 1, {}),
    string.format("Delete %s from %s", quoted(view.lines[s[1]]), place(view, s[1]))
end

---Runs a statement twice.
function M.duplicate(view, random)
  local s = draw_statement(view, random)
  if not s then return nil end
  return splice(view.lines, s[2] + 1, 0, cut(view, s)),
    string.format("Repeat %s of %s", quoted(view.lines[s[1]]), place(view, s[1]))
end

---Puts a copy of a statement in the place of another.
function M.replace(view, random)
  local s, by = draw_statement(view, random), draw_statement(view, random)
  if not s or s[1] <= by[2] and by[1] <= s[2] then return nil end
  local copy = indented(cut(view, by), indent_of(view, by), indent_of(view, s))
  return splice(view.lines, s[1], s[2] - s[1] + 1, copy), string.format("Replace %s of %s by %s of line %d",
    quoted(view.lines[s[1]]), place(view, s[1]), quoted(view.lines[by[1]]), by[1])
end

-- The statement that follows `s`, blank and comment lines left out.
local function next_statement(view, s)
  for first = s[2] + 1, #view.lines do
    if view.info[first].code then
      local last = views.statement(view, first)
      return last and { first, last }
    end
  end
end

---Swaps two statements that follow each other.
function M.swap(view, random)
  local s = draw_statement(view, random)
  local t = s and next_statement(view, s)
  if not t then return nil end
  local swapped = cut(view, t)
  table.move(view.lines, s[2] + 1, t[1] - 1, #swapped + 1, swapped)
  table.move(view.lines, s[1], s[2], #swapped + 1, swapped)
  return splice(view.lines, s[1], t[2] - s[1] + 1, swapped), string.format("Swap %s of %s with %s of line %d",
    quoted(view.lines[s[1]]), place(view, s[1]), quoted(view.lines[t[1]]), t[1])
end

-- How often each kind of edit is drawn, out of 100: when inventing, and when refining what works already.
M.BOLD = { { "number", 74 }, { "operator", 7 }, { "swap", 6 }, { "delete", 5 }, { "duplicate", 4 }, { "replace", 4 } }
M.STEADY = { { "number", 90 }, { "operator", 3 }, { "swap", 2 }, { "delete", 2 }, { "duplicate", 2 }, { "replace", 1 } }

---One edit of a kind drawn by weight.
---@param weights table M.BOLD or M.STEADY
---@return string[]|nil lines
---@return string|nil words
---@return boolean|nil safe a number in the place of a number: a program stays one
function M.draw(view, random, step, weights)
  local at = random:int(100)
  for _, entry in ipairs(weights) do
    at = at - entry[2]
    if at <= 0 then return M[entry[1]](view, random, step) end
  end
end

return M
