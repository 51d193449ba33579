-- stats.lua - the few statistics that a noisy score needs: mean, spread, the difference of two
-- means, rank correlation.  Equal numbers have exactly their mean and a spread of exactly 0.

local M = {}

---The mean, summed about the first number so that equal numbers do not round away from it.
---@param list number[]
---@return number|nil mean  nil of none
function M.mean(list)
  if #list == 0 then return nil end
  local first, sum = list[1], 0.0
  for _, x in ipairs(list) do sum = sum + (x - first) end
  return first + sum / #list
end

---The sample variance, divided by n - 1.
---@param list number[]
---@return number|nil variance  nil of fewer than two
function M.variance(list)
  if #list < 2 then return nil end
  local mean, sum = M.mean(list), 0.0
  for _, x in ipairs(list) do sum = sum + (x - mean) ^ 2 end
  return sum / (#list - 1)
end

---The sample standard deviation.
---@param list number[]
---@return number|nil sd  nil of fewer than two
function M.sd(list)
  local v = M.variance(list)
  return v and math.sqrt(v)
end

---The difference of two means and how well it is known, without the assumption that both spread alike (Welch):
---  difference = mean(a) - mean(b)
---  standard error = sqrt(var(a) / #a + var(b) / #b)
---  degrees of freedom = (var(a) / #a + var(b) / #b)^2 / ((var(a) / #a)^2 / (#a - 1) + (var(b) / #b)^2 / (#b - 1))
---@param a number[]  two at least
---@param b number[]  two at least
---@return number|nil difference
---@return number|nil standard_error
---@return number|nil degrees  of freedom; nil where nothing spreads
function M.welch(a, b)
  local va, vb = M.variance(a), M.variance(b)
  if not va or not vb then return nil end
  va, vb = va / #a, vb / #b
  local degrees = va + vb > 0 and (va + vb) ^ 2 / (va ^ 2 / (#a - 1) + vb ^ 2 / (#b - 1)) or nil
  return M.mean(a) - M.mean(b), math.sqrt(va + vb), degrees
end

---Ranks from 1, the least first; equal numbers share the mean of theirs.
---@param list number[]
---@return number[] ranks  in the order of the list
function M.ranks(list)
  local order, ranks = {}, {}
  for i in ipairs(list) do order[i] = i end
  table.sort(order, function(i, j) return list[i] < list[j] end)
  local from = 1
  while from <= #order do
    local to = from
    while to < #order and list[order[to + 1]] == list[order[from]] do to = to + 1 end
    for k = from, to do ranks[order[k]] = (from + to) / 2 end
    from = to + 1
  end
  return ranks
end

local function correlation(a, b)
  local ma, mb, ab, aa, bb = M.mean(a), M.mean(b), 0.0, 0.0, 0.0
  for i in ipairs(a) do
    local x, y = a[i] - ma, b[i] - mb
    ab, aa, bb = ab + x * y, aa + x * x, bb + y * y
  end
  if aa == 0 or bb == 0 then return nil end
  return ab / math.sqrt(aa * bb)
end

---Spearman's rank correlation: that of the ranks, ties sharing theirs.
---@param a number[]
---@param b number[]  as many
---@return number|nil rho  from -1 to 1; nil of fewer than two pairs, or if all of one list are equal
function M.spearman(a, b)
  if #a < 2 then return nil end
  return correlation(M.ranks(a), M.ranks(b))
end

return M
