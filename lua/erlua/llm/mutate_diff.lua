-- mutate_diff.lua - how two versions of a file differ, as hunks of lines that can be dropped, borrowed and put together.

local M = {}

local DIFFERENCES_MAX = 100      -- lines; beyond it what differs counts as one hunk

-- Myers' greedy walk over a[a1..a2] and b[b1..b2]: calls same(i, j) backwards for every kept pair; false when they
-- differ too much.
local function walk(a, a1, a2, b, b1, b2, same)
  local n, m = a2 - a1 + 1, b2 - b1 + 1
  local reach, trail = { [1] = 0 }, {}
  for d = 0, math.min(n + m, DIFFERENCES_MAX) do
    local row = {}
    for k = -d, d, 2 do
      local x = (k == -d or k ~= d and reach[k - 1] < reach[k + 1]) and reach[k + 1] or reach[k - 1] + 1
      while x < n and x - k < m and a[a1 + x] == b[b1 + x - k] do x = x + 1 end
      reach[k], row[k] = x, x
      if x >= n and x - k >= m then
        trail[d] = row
        local px, py = n, m
        for back = d, 0, -1 do
          local diagonal = px - py
          local before = trail[back - 1] or { [1] = 0 }
          local down = diagonal == -back or diagonal ~= back and before[diagonal - 1] < before[diagonal + 1]
          local from = down and diagonal + 1 or diagonal - 1
          local fx = before[from]
          local stop_x = back == 0 and 0 or down and fx or fx + 1
          while px > stop_x do
            same(a1 + px - 1, b1 + py - 1)
            px, py = px - 1, py - 1
          end
          px, py = fx, fx - from
        end
        return true
      end
    end
    trail[d] = row
  end
  return false
end

-- Adds the change of a[a1..a2] to b[b1..b2]; one of equally many lines is taken apart, so that each can be had alone.
local function add_hunks(hunks, a1, a2, b, b1, b2)
  if a2 - a1 == b2 - b1 then
    for i = a1, a2 do hunks[#hunks + 1] = { from = i, to = i, lines = { b[b1 + i - a1] } } end
  elseif a1 <= a2 or b1 <= b2 then
    hunks[#hunks + 1] = { from = a1, to = a2, lines = table.move(b, b1, b2, 1, {}) }
  end
end

---The changes that make `b` of `a`, in order: hunks { from, to, lines } put `lines` in the place of a[from..to]
---(before a[from] when to < from).
---@param a string[]
---@param b string[]
function M.diff(a, b)
  local a1, a2, b1, b2 = 1, #a, 1, #b
  while a1 <= a2 and b1 <= b2 and a[a1] == b[b1] do a1, b1 = a1 + 1, b1 + 1 end
  while a2 >= a1 and b2 >= b1 and a[a2] == b[b2] do a2, b2 = a2 - 1, b2 - 1 end
  local pairs_kept, hunks = {}, {}
  if not walk(a, a1, a2, b, b1, b2, function(i, j) pairs_kept[#pairs_kept + 1] = { i, j } end) then pairs_kept = {} end
  for p = #pairs_kept, 1, -1 do
    local i, j = pairs_kept[p][1], pairs_kept[p][2]
    add_hunks(hunks, a1, i - 1, b, b1, j - 1)
    a1, b1 = i + 1, j + 1
  end
  add_hunks(hunks, a1, a2, b, b1, b2)
  return hunks
end

---@param h table
---@param g table
---@return boolean clash whether two hunks want the same place
function M.clash(h, g)
  return h.from == g.from or h.from <= g.to and g.from <= h.to
end

---`a` with hunks applied; they are in any order and do not clash.
function M.apply(a, hunks)
  local sorted = table.move(hunks, 1, #hunks, 1, {})
  table.sort(sorted, function(h, g) return h.from < g.from end)
  local out, at = {}, 1
  for _, h in ipairs(sorted) do
    table.move(a, at, h.from - 1, #out + 1, out)
    table.move(h.lines, 1, #h.lines, #out + 1, out)
    at = h.to + 1
  end
  return table.move(a, at, #a, #out + 1, out)
end

local function same(h, g)
  if h.from ~= g.from or h.to ~= g.to or #h.lines ~= #g.lines then return false end
  for i, line in ipairs(h.lines) do
    if line ~= g.lines[i] then return false end
  end
  return true
end

---The hunks of `theirs` that `ours` lacks.
function M.missing(ours, theirs)
  local missing = {}
  for _, g in ipairs(theirs) do
    local known = false
    for _, h in ipairs(ours) do known = known or same(h, g) end
    if not known then missing[#missing + 1] = g end
  end
  return missing
end

---`ours` and all of `theirs`, which win where both want one place.
function M.join(ours, theirs)
  local joined = table.move(theirs, 1, #theirs, 1, {})
  for _, h in ipairs(ours) do
    local free = true
    for _, g in ipairs(theirs) do free = free and not M.clash(h, g) end
    if free then joined[#joined + 1] = h end
  end
  return joined
end

return M
