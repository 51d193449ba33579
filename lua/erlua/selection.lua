-- selection.lua - a set of trials to choose from: light until one is looked at.

local core = require("erlua.core.study")
local rng = require("erlua.core.rng")

local M = {}

local Selection = {}
Selection.__index = Selection
Selection.__name = "erlua.selection"

local function of(study, ids, rewards)
  return setmetatable({ study = study, ids = ids, rewards = rewards }, Selection)
end

---@param study erlua.study
---@param query string  a query whose first argument is the reader's tick
function M.new(study, query, ...)
  local ids, rewards = study.store:columns(query, core.tick(), ...)
  if not ids then error(rewards, 2) end
  return of(study, ids, rewards)
end

function Selection:__len() return #self.ids end

---Up to n of them, drawn without repetition, in the order of their numbers.
---@param n integer
---@return erlua.selection
function Selection:sample(n)
  local count = #self.ids
  if n >= count then return self end
  local at, picked = {}, {}
  for i = 1, n do                              -- the first n steps of a shuffle
    local j = i - 1 + rng.int(nil, count - i + 1)
    picked[i] = at[j] or j
    at[j] = at[i] or i
  end
  table.sort(picked)
  local ids, rewards = {}, {}
  for i, p in ipairs(picked) do ids[i], rewards[i] = self.ids[p], self.rewards[p] end
  return of(self.study, ids, rewards)
end

---The n with the highest reward, the best first.
---@param n integer
---@return erlua.selection
function Selection:best(n)
  local order = {}
  for i in ipairs(self.ids) do
    if self.rewards[i] then order[#order + 1] = i end
  end
  table.sort(order, function(a, b) return self.rewards[a] > self.rewards[b] end)
  local ids, rewards = {}, {}
  for i = 1, math.min(n, #order) do ids[i], rewards[i] = self.ids[order[i]], self.rewards[order[i]] end
  return of(self.study, ids, rewards)
end

---The trials themselves, read now: a list of tables as `erlua trials --json` has them.
---@return erlua.trial[]
function Selection:list()
  local out = {}
  for i, id in ipairs(self.ids) do out[i] = self.study.trial_room:read(id) end
  return out
end

function Selection:__tostring() return #self.ids .. " trials" end

return M
