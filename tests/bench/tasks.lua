-- The cost of a task: yield and resume, ten thousand that sleep, spawn and wait.

local host = require("erlua.core.host")
local clock = require("erlua.core.task").clock

local function median(fn)
  local t = {}
  for i = 1, 21 do t[i] = fn() end
  table.sort(t)
  return t[11]
end

local function yields()
  local n = 200000
  local function spin() for _ = 1, n // 2 do erlua.pause() end end
  local began = clock()
  local a, b = erlua.spawn(spin), erlua.spawn(spin)
  a:wait()
  b:wait()
  return (clock() - began) / n * 1e9
end

local function stock_yields()
  local n = 200000
  local co = coroutine.create(function() while true do coroutine.yield() end end)
  local began = clock()
  for _ = 1, n do coroutine.resume(co) end
  return (clock() - began) / n * 1e9
end

local function sleepers()
  local list = {}
  for i = 1, 10000 do list[i] = i end
  local began = clock()
  erlua.map(list, function() erlua.sleep(0.001) end, { parallel = 10000 })
  return (clock() - began) * 1e3
end

host.out(string.format("yield and resume of a task  %.0f ns (a coroutine's in the same run: %.0f ns)\n", median(yields), median(stock_yields)))
host.out(string.format("10,000 sleeping tasks       %.1f ms\n", median(sleepers)))
