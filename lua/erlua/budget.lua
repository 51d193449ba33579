-- budget.lua - how much a study may spend: money, tokens, calls, GPU-hours, jobs, time.
-- Pure: it adds up what it is told; who asks decides what to do with a "no".

local text = require("erlua.text")
local units = require("erlua.units")

local M = {}

local Budget = {}
Budget.__index = Budget

-- ---- reading -----------------------------------------------------------------------------------

local COUNT = { [""] = 1, k = 1e3, K = 1e3, M = 1e6, G = 1e9 }

local function amount(v)
  local number, unit = v:match("^(%d+%.?%d*)([kKMG]?)$")
  return number and tonumber(number) * COUNT[unit]
end

local READERS = {
  cost = function(v) return tonumber(v:match("^%$?(%d+%.?%d*)$")), "dollars, as cost=20" end,
  tokens = function(v) return amount(v), "a number such as tokens=5M" end,
  calls = function(v) return amount(v), "a number such as calls=2000" end,
  jobs = function(v) return amount(v), "a number such as jobs=500" end,
  gpu_hours = function(v) return tonumber(v:match("^%d+%.?%d*$")), "hours, as gpu_hours=8" end,
  wall = function(v) return v:find("%a") and units.seconds(v) or nil, "a time such as wall=8h" end,
}
local NAMES = { "cost", "tokens", "calls", "gpu_hours", "jobs", "wall" }

---Reads "cost=20 tokens=5M calls=2000 gpu_hours=8 jobs=500 wall=8h": any of them, with spaces or commas between.
---@param s string|nil
---@return table<string, number>|nil limits  wall in seconds
---@return string? message
function M.parse(s)
  local limits = {}
  for word in (s or ""):gmatch("[^%s,]+") do
    local name, v = word:match("^([%w_]+)=(.+)$")
    if not name then return nil, "--budget: '" .. text.clean(word) .. "' is not NAME=AMOUNT, such as cost=20" end
    local read = READERS[name]
    if not read then
      local near = text.nearest(name, NAMES)
      return nil, "--budget: there is no '" .. name .. "'; "
        .. (near and "did you mean " .. near .. "?" or "there are " .. table.concat(NAMES, ", "))
    end
    if limits[name] then return nil, "--budget: '" .. name .. "' is given twice" end
    local limit, wants = read(v)
    if not limit then
      return nil, "--budget: '" .. name .. "' wants " .. wants .. ", but got '" .. text.clean(v) .. "'"
    end
    limits[name] = limit
  end
  return limits
end

-- ---- spending ----------------------------------------------------------------------------------

---@param limits table<string, number>|nil
function M.new(limits)
  local self = setmetatable({ limits = limits or {}, used = {}, open = {} }, Budget)
  for _, name in ipairs(NAMES) do self.used[name], self.open[name] = 0, 0 end
  return self
end

local function add(to, amounts, sign)
  for i = 1, #NAMES do
    local name = NAMES[i]
    if amounts[name] then to[name] = to[name] + sign * amounts[name] end
  end
end

---What is spent for good: cost, tokens, calls, …
function Budget:spend(amounts) add(self.used, amounts, 1) end

---What is begun, by estimate; closed with what it came to.
function Budget:begin(estimate) add(self.open, estimate, 1) end

function Budget:finish(estimate, amounts)
  add(self.open, estimate, -1)
  add(self.used, amounts, 1)
end

---May something of this size begin?
---@param estimate table<string, number>
---@return nil|"later"|"spent"  nil: yes; "later": not while so much is open
---@return string? name  of the limit
function Budget:refuses(estimate)
  local later
  for i = 1, #NAMES do
    local name = NAMES[i]
    local v, limit = estimate[name], self.limits[name]
    if v and limit then
      if self.used[name] + v > limit then return "spent", name end
      if self.used[name] + self.open[name] + v > limit then later = name end
    end
  end
  if later then return "later", later end
end

-- ---- words -------------------------------------------------------------------------------------

local function money(v) return string.format(v > 0 and v < 0.1 and "$%.4f" or "$%.2f", v) end

local function big(n)
  for _, unit in ipairs { { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } } do
    if n >= unit[1] then return string.format("%.3g%s", n / unit[1], unit[2]) end
  end
  return string.format("%d", math.floor(n))
end

local WORDS = {
  cost = function(v) return money(v) end,
  tokens = function(v) return big(v) .. " tokens" end,
  calls = function(v) return text.count(math.floor(v), "call") end,
  jobs = function(v) return text.count(math.floor(v), "job") end,
  gpu_hours = function(v) return string.format("%.3g GPU-hours", v) end,
  wall = function(v) return text.duration(v) end,
}

---"$3.12": an amount for people.
function M.words(name, v) return WORDS[name](v) end

---Why nothing more may begin, and what to do.
---@param name string
---@param estimate? number  of what was to begin
function Budget:spent_message(name, estimate)
  local rest = self.limits[name] - self.used[name]
  local why = estimate and rest > 0 and string.format("; another call may take %s", WORDS[name](estimate)) or ""
  return string.format("the budget is spent: %s of %s%s. Raise --budget and go on", WORDS[name](self.used[name]),
    WORDS[name](self.limits[name]), why)
end

---For the progress line: "$3.12/20  412 calls".  What has a limit shows it.
---@return string|nil
function Budget:line()
  local out = {}
  for _, name in ipairs(NAMES) do
    local used, limit = self.used[name], self.limits[name]
    if limit and name == "cost" then out[#out + 1] = money(used) .. "/" .. text.number(limit, 6)
    elseif limit and name == "gpu_hours" then out[#out + 1] = WORDS[name](used) .. "/" .. text.number(limit, 6)
    elseif limit and name == "wall" then out[#out + 1] = text.duration(used) .. "/" .. text.duration(limit)
    elseif limit then out[#out + 1] = WORDS[name](used) .. "/" .. big(limit)
    elseif used > 0 and (name == "cost" or name == "calls") then out[#out + 1] = WORDS[name](used) end
  end
  return #out > 0 and table.concat(out, "  ") or nil
end

return M
