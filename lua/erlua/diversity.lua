-- diversity.lua - how different the patches of a search are from each other.

local diffs = require("erlua.diff_text")

local M = {}

local SIGN = { add = "+", remove = "-" }

-- The distinct changed lines of a diff, as numbers that all diffs share.
local function line_set(diff, known)
  local out, seen = {}, {}
  for _, l in ipairs(diffs.lines(diff)) do
    local words = SIGN[l.kind] and l.text:sub(2):match("^%s*(.-)%s*$")
    if words and words ~= "" then
      local key = SIGN[l.kind] .. words
      local n = known[key]
      if not n then
        n = known.count + 1
        known[key], known.count = n, n
      end
      if not seen[n] then
        seen[n] = true
        out[#out + 1] = n
      end
    end
  end
  return out
end

---The mean over all pairs of 1 - shared lines / all lines of the two (the Jaccard distance
---of their added and removed lines, spaces at the ends aside).
---@param list string[]  diffs
---@return number|nil distance  0: all the same, 1: no line shared; nil for fewer than two
function M.mean_distance(list)
  local holders, sizes, alike = {}, {}, 0.0
  local known = { count = 0 }
  for j, diff in ipairs(list) do
    local set, shared = line_set(diff, known), {}
    sizes[j] = #set
    for _, line in ipairs(set) do
      local earlier = holders[line] or {}
      for _, i in ipairs(earlier) do shared[i] = (shared[i] or 0) + 1 end
      earlier[#earlier + 1] = j
      holders[line] = earlier
    end
    for i = 1, j - 1 do
      if shared[i] then alike = alike + shared[i] / (sizes[i] + sizes[j] - shared[i])
      elseif sizes[i] + sizes[j] == 0 then alike = alike + 1 end
    end
  end
  local pairs_of = #list * (#list - 1) / 2
  return pairs_of > 0 and 1 - alike / pairs_of or nil
end

return M
