-- tasks.lua - many calls at once: map, each, timeout; and random numbers.

local core = require("erlua.core.task")
local rng = require("erlua.core.rng")

local M = {}

local PARALLEL = 64

-- Runs fn over list in a group, at most `parallel` at a time, one task an item.
-- Closing it cancels what is left, newest first, and waits for its end.
local Pool = {}
Pool.__index = Pool

local function pool(list, fn, options, what)
  if type(list) ~= "table" then error(what .. ": a list expected, got " .. type(list), 3) end
  if type(fn) ~= "function" then error(what .. ": a function expected, got " .. type(fn), 3) end
  local parallel = options and options.parallel or PARALLEL
  if math.type(parallel) ~= "integer" or parallel < 1 then
    error(what .. ": parallel must be a whole number from 1 up", 3)
  end
  local function run(i) return i, fn(list[i], i) end
  local o = { group = core.group(), run = run, count = #list, started = 0, parallel = parallel, live = 0 }
  return setmetatable(o, Pool)
end

function Pool:fill()
  local group, run = self.group, self.run
  while self.live < self.parallel and self.started < self.count do
    self.started, self.live = self.started + 1, self.live + 1
    group:start(run, self.started)
  end
end

-- The next finished item: ok, index, results…, or false and the error.
function Pool:next()
  self:fill()
  if self.live == 0 then return nil end
  self.live = self.live - 1
  return self.group:next()
end

function Pool:close()
  self.group:cancel()
  while self.live > 0 do
    self.live = self.live - 1
    self.group:next()
  end
end
Pool.__close = Pool.close

---Calls fn(item, index) for every item, at the same time, and returns the results in the
---order of the list.  The first error cancels the rest and is raised again.
---@param list any[]
---@param fn fun(item: any, index: integer): any
---@param options? {parallel: integer?}  at most so many at a time (64)
---@return any[] results  the first result of each call
function M.map(list, fn, options)
  local p <close> = pool(list, fn, options, "erlua.map")
  local results = {}
  while true do
    local ok, i, result = p:next()
    if ok == nil then return results end
    if not ok then error(i, 0) end
    results[i] = result
  end
end

---As map, but hands out the results as they finish: `for i, result in erlua.each(list, fn) do`.
---Leaving the loop cancels the rest.
---@param list any[]
---@param fn fun(item: any, index: integer): ...
---@param options? {parallel: integer?}
---@return fun(): integer?, any
function M.each(list, fn, options)
  local p = pool(list, fn, options, "erlua.each")
  local function step()
    local ok, i = nil, nil
    local function take(o, index, ...)
      ok, i = o, index
      return index, ...
    end
    local function give(...)
      if ok == false then error(i, 0) end
      return ...
    end
    return give(take(p:next()))
  end
  return step, nil, nil, p
end

-- Two tasks of which the first to finish counts: the other is cancelled, also when the
-- caller itself is.
local Race = {}
function Race:__close()
  for _, t in ipairs(self) do
    if not t:done() then t:cancel() end
  end
  while self.group:next() ~= nil do end
end

---Calls fn(...) and gives up after a time: the call is cancelled.
---@param seconds number
---@param fn function
---@return ...  what fn returns, or nil, "timeout", "timeout"
function M.timeout(seconds, fn, ...)
  local group = core.group()
  local work = group:spawn(function(...) return "done", fn(...) end, ...)
  local clock = group:spawn(function() core.sleep(seconds, "timeout") return "timeout" end)
  local race <close> = setmetatable({ work, clock, group = group }, Race)
  local function finish(ok, what, ...)
    if not ok then error(what, 0) end
    if what == "timeout" then return nil, "timeout", "timeout" end
    return ...
  end
  return finish(group:next())
end

---A random number of the running task: seeded by the study's seed and the task's path, so that it
---depends on neither time nor order.
---@param n? integer  a whole number from 1 to n; without it a number from 0 up to 1
---@return number
function M.random(n)
  if n == nil then return rng.unit() end
  return rng.int(nil, n)
end

return M
