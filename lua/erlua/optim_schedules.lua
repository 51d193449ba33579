-- optim_schedules.lua - schedules: functions of a run's progress, 0 to 1, to the factor of its learning rate.

local M = {}

-- A schedule with a warm-up; shape(o, p) is its factor from there on.  Tail-called, so that 2 is the user's level.
local function schedule(name, given, defaults, shape)
  if given ~= nil and type(given) ~= "table" then
    error(("optim.%s: options are a table, got %s"):format(name, type(given)), 2)
  end
  local o = {}
  for k, v in pairs(defaults) do o[k] = v end
  for k, v in pairs(given or {}) do
    if defaults[k] == nil then error(("optim.%s has no option '%s'"):format(name, tostring(k)), 2) end
    if type(v) ~= "number" or not (v >= 0 and v <= 1) then
      error(("optim.%s: %s is a number from 0 to 1, got %s"):format(name, k, tostring(v)), 2)
    end
    o[k] = v
  end
  if o.warmup + (o.decay or 0) > 1 then error("optim." .. name .. ": warmup and decay are together at most 1", 2) end
  return function(progress)
    local p = math.min(math.max(progress, 0), 1)
    if p < o.warmup then return p / o.warmup end
    return shape(o, p)
  end
end

-- How much of the way from `from` to the end is done.
local function done(p, from) return from < 1 and (p - from) / (1 - from) or 0 end

---A warm-up, then 1.
---@param options {warmup: number?}?  warmup: its share of the run (0)
---@return fun(progress: number): number
function M.constant(options)
  return schedule("constant", options, { warmup = 0 }, function() return 1 end)
end

---A warm-up, then a line down to `final`.
---@param options {warmup: number?, final: number?}?  0 both
---@return fun(progress: number): number
function M.linear(options)
  return schedule("linear", options, { warmup = 0, final = 0 }, function(o, p)
    return 1 + (o.final - 1) * done(p, o.warmup)
  end)
end

---A warm-up, then half a cosine down to `final`.
---@param options {warmup: number?, final: number?}?  0 both
---@return fun(progress: number): number
function M.cosine(options)
  return schedule("cosine", options, { warmup = 0, final = 0 }, function(o, p)
    return o.final + (1 - o.final) * 0.5 * (1 + math.cos(math.pi * done(p, o.warmup)))
  end)
end

---Warm-up, stable, decay: 1 until the last `decay` of the run, then a line down to `final`.
---@param options {warmup: number?, decay: number?, final: number?}?  0, 0.2, 0
---@return fun(progress: number): number
function M.wsd(options)
  return schedule("wsd", options, { warmup = 0, decay = 0.2, final = 0 }, function(o, p)
    if p <= 1 - o.decay then return 1 end
    return 1 + (o.final - 1) * done(p, 1 - o.decay)
  end)
end

return M
