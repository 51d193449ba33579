-- diff_text.lua - a unified diff as lines that are told apart: what is a change and what
-- only looks like one (a removed "-- comment" reads "--- comment").

local text = require("erlua.text")

local M = {}

local COLOURS = { file = "\27[1m", hunk = "\27[36m", add = "\27[32m", remove = "\27[31m" }

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

---How much a diff changes.
---@param diff string
---@return {files: integer, added: integer, removed: integer}
function M.stat(diff)
  local out = { files = 0, added = 0, removed = 0 }
  for _, l in ipairs(M.lines(diff)) do
    if l.kind == "add" then out.added = out.added + 1 end
    if l.kind == "remove" then out.removed = out.removed + 1 end
    if l.kind == "file" and l.text:sub(1, 11) == "diff --git " then out.files = out.files + 1 end
  end
  return out
end

---The diff for people: without what moves a cursor, cut to the terminal, coloured.
---@param diff string
---@param o {width: integer?, colour: boolean?, most: integer?}  most: so many lines
---@return string[] lines
---@return integer left_out
function M.show(diff, o)
  local lines, out = M.lines(diff), {}
  local shown = o.most and #lines > o.most and o.most or #lines
  for i = 1, shown do
    local l = lines[i]
    local s = text.clean((l.text:gsub("\r$", ""):gsub("\t", "    ")))
    if o.width then s = text.cut(s, o.width) end
    local colour = o.colour and COLOURS[l.kind]
    out[i] = colour and colour .. s .. "\27[0m" or s
  end
  return out, #lines - shown
end

return M
