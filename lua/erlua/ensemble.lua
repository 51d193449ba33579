-- ensemble.lua - one model or several that share the work: "anthropic:A*3, openai:B".
-- Which one is next is drawn by the running task's generator, by the weights alone or,
-- as a bandit, by how often each has been worth it so far (Thompson sampling).

local rng = require("erlua.core.rng")

local M = {}

local Ensemble = {}
Ensemble.__index = Ensemble
Ensemble.__name = "erlua.ensemble"

---The specifications of a list, with their weights.
---@param spec string
---@return {spec: string, weight: number}[]|nil list
---@return string? message
function M.parse(spec)
  local list, known = {}, {}
  for part in (spec .. ","):gmatch("%s*(.-)%s*,") do
    local name, weight = part:match("^(.-)%s*%*%s*(%d*%.?%d+)$")
    name = name or part
    if name == "" then return nil, "'" .. spec .. "': a model is missing between the commas" end
    if known[name] then return nil, name .. " is named twice; give it a weight, as " .. name .. "*2" end
    known[name] = true
    local w = tonumber(weight or 1)
    if w <= 0 then return nil, name .. " has the weight 0; leave it out" end
    list[#list + 1] = { spec = name, weight = w + 0.0 }
  end
  return list
end

---@param spec string  models with their weights
---@param make fun(spec: string): table  a model; what it raises is raised
---@param bandit? boolean
---@return erlua.ensemble
function M.new(spec, make, bandit)
  local list, message = M.parse(spec)
  if not list then error(message, 0) end
  local self = setmetatable({ spec = spec, members = list, by_spec = {}, bandit = bandit or false }, Ensemble)
  for _, m in ipairs(list) do
    m.model, m.won, m.lost = make(m.spec), 0, 0
    self.by_spec[m.spec] = m
  end
  return self
end

-- ---- drawing ------------------------------------------------------------------------

local function normal() return math.sqrt(-2 * math.log(1 - rng.unit())) * math.cos(2 * math.pi * rng.unit()) end

-- A draw from the gamma distribution of this shape, 1 at least (Marsaglia and Tsang).
local function gamma(shape)
  local d = shape - 1 / 3
  while true do
    local x = normal()
    local v = (1 + x / math.sqrt(9 * d)) ^ 3
    if v > 0 and math.log(1 - rng.unit()) < 0.5 * x * x + d - d * v + d * math.log(v) then return d * v end
  end
end

local function beta(a, b)
  local x = gamma(a)
  return x / (x + gamma(b))
end

local function by_weight(members)
  local sum = 0.0
  for _, m in ipairs(members) do sum = sum + m.weight end
  local at = rng.unit() * sum
  for _, m in ipairs(members) do
    at = at - m.weight
    if at < 0 then return m end
  end
  return members[#members]
end

-- Each draws a rate that its record makes likely; the highest wins.
local function by_record(members)
  local best, highest = nil, -1.0
  for _, m in ipairs(members) do
    local rate = beta(1 + m.won, 1 + m.lost)
    if rate > highest then best, highest = m, rate end
  end
  return best
end

---The model that is to do the next piece of work.
---@return table model
function Ensemble:pick()
  local members = self.members
  if #members == 1 then return members[1].model end
  return (self.bandit and by_record or by_weight)(members).model
end

---A piece of work of one of its models came to an end.
---@param spec string
---@param worth boolean
function Ensemble:credit(spec, worth)
  local m = self.by_spec[spec]
  if not m then return end                              -- a fallback's, or a script's own
  if worth then m.won = m.won + 1 else m.lost = m.lost + 1 end
end

---The one model, where there is only one.
---@return table|nil
function Ensemble:single() return #self.members == 1 and self.members[1].model or nil end

function Ensemble:__tostring() return self.spec end

return M
