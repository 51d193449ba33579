-- diff_text.lua - a unified diff as lines that are told apart: what is a change and what
-- only looks like one (a removed "-- comment" reads "--- comment").

local text = require("erlua.text")

local M = {}

local COLOURS = { file = "\27[1m", hunk = "\27[36m", add = "\27[32m", remove = "\27[31m" }

local CHANGED = { add = true, remove = true }
local PIECES = 8                 -- lines of the terminal that one changed line may take

local function split(s)
  local out, from = {}, 1
  while from <= #s do
    local nl = s:find("\n", from, true) or #s + 1
    out[#out + 1] = s:sub(from, nl - 1)
    from = nl + 1
  end
  return out
end

local function count(s) return s == "" and 1 or tonumber(s:sub(2)) end

local KINDS = { ["+"] = "add", ["-"] = "remove", ["\\"] = "note" }

---The lines of a diff, each with its kind: file, hunk, add, remove, same or note.
---@param diff string
---@return {kind: string, text: string}[]
function M.lines(diff)
  local out, old, new = {}, 0, 0
  for _, line in ipairs(split(diff)) do
    local kind = KINDS[line:sub(1, 1)] or "same"
    if old <= 0 and new <= 0 and kind ~= "note" then
      local a, b = line:match("^@@ %-%d+(,?%d*) %+%d+(,?%d*) @@")
      kind = a and "hunk" or "file"
      if a then old, new = count(a), count(b) end
    elseif kind ~= "note" then
      if kind ~= "add" then old = old - 1 end
      if kind ~= "remove" then new = new - 1 end
    end
    out[#out + 1] = { kind = kind, text = line }
  end
  return out
end

-- A changed line matters to its end: it is broken where the terminal ends, not cut.
local function pieces(s, width)
  local out, from, used = {}, 1, 0
  for at, code in utf8.codes(s) do
    local w = text.width(utf8.char(code))
    if used + w > width then
      out[#out + 1] = s:sub(from, at - 1)
      from, used = at, 1
      if #out == PIECES then return out, true end
    end
    used = used + w
  end
  out[#out + 1] = s:sub(from)
  return out
end

local function fitted(l, width)
  local s = text.clean((l.text:gsub("\r$", ""):gsub("\t", "    ")))
  if not width or text.width(s) <= width then return { s } end
  if not CHANGED[l.kind] then return { text.cut(s, width) } end
  local out, more = pieces(s, width - 1)
  for i = 2, #out do out[i] = "↳" .. out[i] end
  if more then out[#out] = out[#out] .. "…" end
  return out
end

---The diff for people: without what moves a cursor, fitted to the terminal, coloured.
---@param diff string
---@param o {width: integer?, colour: boolean?, most: integer?}  most: so many lines
---@return string[] lines
---@return integer left_out
function M.show(diff, o)
  local lines, out = M.lines(diff), {}
  local shown = o.most and #lines > o.most and o.most or #lines
  for i = 1, shown do
    local colour = o.colour and COLOURS[lines[i].kind]
    for _, s in ipairs(fitted(lines[i], o.width)) do out[#out + 1] = colour and colour .. s .. "\27[0m" or s end
  end
  return out, #lines - shown
end

return M
