-- Tasks: what waits where, what a cancel does, what is reported.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local task = require("erlua.core.task")

local function run(code, opts)
  local file = t.write(t.tmpdir() .. "/script.lua", code)
  return t.run({ t.erlua, file }, opts or { timeout = 300 })
end

-- A list that remembers the order in which things happened.
local function diary()
  local d = {}
  return d, function(word) d[#d + 1] = word end
end

-- A function that waits at once and then returns its arguments.
local function later(...)
  erlua.sleep(0.001)
  return ...
end

-- ---- spawn and wait ---------------------------------------------------------------

t.test("a task gives its results to whoever waits", function()
  local w = erlua.spawn(later, 1, nil, "x", nil)
  t.eq(table.pack(w:wait()), { n = 5, true, 1, nil, "x", nil })
  t.eq(w:done(), true)
  t.eq(table.pack(w:wait()), { n = 5, true, 1, nil, "x", nil }, "a second time")
end)

t.test("a task runs at the next wait of its parent, in the order of spawning", function()
  local d, note = diary()
  local a = erlua.spawn(note, "a")
  local b = erlua.spawn(note, "b")
  note("parent")
  b:wait()
  a:wait()
  t.eq(d, { "parent", "a", "b" })
end)

t.test("a failed task gives false and the error object itself", function()
  local object = { 1 }
  local ok, e = erlua.spawn(function() later() error(object) end):wait()
  t.eq(ok, false)
  t.ok(rawequal(e, object))
  local _, text = erlua.spawn(function() error("plain", 0) end):wait()
  t.eq(text, "plain")
  t.eq({ erlua.spawn(function() error() end):wait() }, { false })
end)

t.test("several tasks may wait for one", function()
  local w = erlua.spawn(later, 7)
  local got = erlua.map({ 1, 2, 3 }, function(i) return select(2, w:wait()) + i end)
  t.eq(got, { 8, 9, 10 })
end)

t.test("a task that waits for itself is told so", function()
  local me
  me = erlua.spawn(function() me:wait() end)
  local ok, e = me:wait()
  t.eq(ok, false)
  t.match(e, "cannot wait for itself")
end)

t.test("a task's results may be many", function()
  local w = erlua.spawn(function() later() return table.unpack({}, 1, 5000) end)
  t.eq(select("#", w:wait()), 5001)
end)

-- ---- where a wait works -------------------------------------------------------------

t.test("a wait works inside pcall and xpcall, nested, with values and errors through them", function()
  t.eq({ pcall(pcall, later, 1, 2) }, { true, true, 1, 2 })
  t.eq({ xpcall(later, debug.traceback, 3, 4) }, { true, 3, 4 })
  local ok, e = pcall(function() later() error("after", 0) end)
  t.eq({ ok, e }, { false, "after" })
  t.eq({ xpcall(function() later() error("x", 0) end, function(m) return m .. "!" end) }, { false, "x!" })
end)

t.test("a wait works inside a generator that a generic for calls", function()
  local seen = {}
  for v in coroutine.wrap(function()
    for i = 1, 3 do
      erlua.sleep(0.001)
      coroutine.yield(i)
    end
  end) do
    later()
    seen[#seen + 1] = v
  end
  t.eq(seen, { 1, 2, 3 })
end)

t.test("a wait works inside an iterator function and its closing value", function()
  local d, note = diary()
  do
    local function step(_, i) erlua.sleep(0.001) if i < 3 then return i + 1 end end
    for i in step, nil, 0, setmetatable({}, { __close = function() erlua.sleep(0.001) note("closed") end }) do
      note(i)
      if i == 2 then break end
    end
  end
  t.eq(d, { 1, 2, "closed" })
end)

t.test("a wait works inside metamethods called from Lua", function()
  local mt = { __index = function(_, k) return later(k) end, __add = function(a, b) return later(7) end,
    __eq = function() return later(true) end, __lt = function() return later(true) end, __len = function() return later(3) end,
    __concat = function() return later("joined") end, __call = function(_, x) return later(x) end,
    __newindex = function(o, k, v) later() rawset(o, k, v) end }
  local a, b = setmetatable({}, mt), setmetatable({}, mt)
  a.field = 5
  t.eq({ a.x, a + b, a == b, a < b, #a, a .. b, a(9), rawget(a, "field") }, { "x", 7, true, true, 3, "joined", 9, 5 })
end)

t.test("a wait works inside a __pairs metamethod and inside a __close handler", function()
  local mt = { __pairs = function(o) erlua.sleep(0.001) return next, { k = 1 }, nil end }
  for k, v in pairs(setmetatable({}, mt)) do t.eq({ k, v }, { "k", 1 }) end
  local d, note = diary()
  do
    local x <close> = setmetatable({}, { __close = function() erlua.sleep(0.001) note("first") end })
    local y <close> = setmetatable({}, { __close = function() erlua.sleep(0.001) note("second") end })
  end
  t.eq(d, { "second", "first" })
end)

t.test("a wait passes through the user's coroutines, nested, resumed or wrapped", function()
  local inner = coroutine.create(function(x)
    local y = coroutine.yield(later(x + 1))
    erlua.sleep(0.001)
    return y * 2
  end)
  local outer = coroutine.wrap(function()
    local _, a = coroutine.resume(inner, 1)
    coroutine.yield(a)
    local _, b = coroutine.resume(inner, 10)
    later()
    coroutine.yield(b)
    return "end"
  end)
  t.eq({ outer(), outer(), outer() }, { 2, 20, "end" })
  t.eq(coroutine.status(inner), "dead")
end)

t.test("an error in a coroutine that waited reaches its resumer", function()
  local co = coroutine.create(function() later() error("inside", 0) end)
  t.eq({ coroutine.resume(co) }, { false, "inside" })
  t.eq({ coroutine.resume(co) }, { false, "cannot resume dead coroutine" })
  local w = coroutine.wrap(function() later() error("wrapped", 0) end)
  t.match(t.raises(w), "wrapped")
end)

t.test("a user's yield never reaches the scheduler", function()
  t.raises(function() coroutine.yield(1) end, "outside a coroutine")
  local co = coroutine.wrap(function() coroutine.yield(coroutine.isyieldable()) end)
  t.eq(co(), true)
end)

t.test("a coroutine that waits in one task cannot be resumed or closed by another", function()
  local gen = coroutine.wrap(function()
    for i = 1, 4 do
      erlua.sleep(0.01)
      coroutine.yield(i)
    end
  end)
  local first = erlua.spawn(function() return gen() end)
  local second = erlua.spawn(function() return gen() end)
  t.eq({ first:wait() }, { true, 1 })
  local ok, e = second:wait()
  t.eq(ok, false)
  t.match(e, "waits in another task")
  t.eq(gen(), 2, "and it goes on afterwards")
  local co = coroutine.create(function() erlua.sleep(0.01) return "whole" end)
  local owner = erlua.spawn(function() return select(2, coroutine.resume(co)) end)
  later()
  t.raises(function() coroutine.close(co) end, "waits in another task")
  t.eq({ owner:wait() }, { true, "whole" })
end)

t.test("a generator may be shared by tasks that take turns", function()
  local gen = coroutine.wrap(function() for i = 1, 6 do coroutine.yield(i) end end)
  local sum = 0
  erlua.map({ 1, 2, 3 }, function() for _ = 1, 2 do sum = sum + gen() later() end end)
  t.eq(sum, 21)
end)

-- ---- where it cannot -----------------------------------------------------------------

t.test("a wait inside a sort or gsub callback, a finalizer or a module says that it cannot", function()
  local words = "cannot wait here"
  t.raises(function() table.sort({ 3, 1, 2 }, function(a, b) erlua.sleep(0) return a < b end) end, "^.-sleep " .. words)
  t.raises(function() string.gsub("abc", ".", function() erlua.sleep(0) end) end, words)
  t.raises(function() erlua.spawn(function() return ("x"):gsub(".", function() task.sleep(0) end) end):wait() error("no", 0) end, "no")
  package.preload.waits_here = function() erlua.sleep(0) end
  t.raises(function() require("waits_here") end, words)
  t.eq(later("still"), "still")
end)

t.test("a wait in a coroutine that a sort callback resumes is refused, and the task goes on unharmed", function()
  for _ = 1, 50 do
    local ok, e = pcall(table.sort, { 2, 1 }, function(a, b)
      coroutine.wrap(function() erlua.sleep(0.002) end)()
      return a < b
    end)
    t.eq(ok, false)
    t.match(e, "cannot wait here")
  end
  t.eq(later("on"), "on")
  local other = erlua.spawn(later, "other")
  pcall(table.sort, { 2, 1 }, function() coroutine.resume(coroutine.create(function() other:wait() end)) end)
  t.eq({ other:wait() }, { true, "other" })
end)

-- ---- cancel ----------------------------------------------------------------------------

t.test("cancel raises `cancelled` at the wait, and again at each later wait after a pcall", function()
  local d, note = diary()
  local w = erlua.spawn(function()
    for _ = 1, 3 do
      local ok, e = pcall(erlua.sleep, 60)
      note(tostring(ok) .. " " .. tostring(e))
    end
    erlua.sleep(60)
    note("never")
  end)
  later()
  w:cancel()
  t.eq({ w:wait() }, { false, "cancelled" })
  t.eq(d, { "false cancelled", "false cancelled", "false cancelled" })
end)

t.test("each kind of wait of a cancelled task raises again, and what it waited for is unharmed", function()
  local target = erlua.spawn(function() erlua.sleep(0.05) return "fine" end)
  local w = erlua.spawn(function()
    pcall(erlua.sleep, 60)
    local got = {}
    for i, wait in ipairs {
      function() return target:wait() end, function() return erlua.sleep(0.001) end,
      function() return erlua.exec { "/bin/true" } end, function() return erlua.once(function() return 1 end) end,
      function() return erlua.map({ 1, 2 }, later) end, function() return erlua.timeout(5, later) end,
    } do got[i] = select(2, pcall(wait)) end
    error(got)
  end)
  later()
  w:cancel()
  local _, got = w:wait()
  t.eq(got, { "cancelled", "cancelled", "cancelled", "cancelled", "cancelled", "cancelled" })
  t.eq({ target:wait() }, { true, "fine" })
end)

t.test("a cancelled task's <close> handlers may wait, inner first, and it ends after them", function()
  local d, note = diary()
  local w = erlua.spawn(function()
    local a <close> = setmetatable({}, { __close = function(_, e) erlua.sleep(0.01) note("outer " .. e) end })
    local b <close> = setmetatable({}, { __close = function() erlua.sleep(0.01) erlua.sleep(0.01) note("inner") end })
    erlua.sleep(60)
  end)
  later()
  w:cancel()
  t.eq(d, {}, "cancel does not wait")
  t.eq({ w:wait() }, { false, "cancelled" })
  t.eq(d, { "inner", "outer cancelled" })
end)

t.test("a handler may use pcall, map and a failing call without losing its right to wait", function()
  local d, note = diary()
  local w = erlua.spawn(function()
    local a <close> = setmetatable({}, { __close = function()
      note(select(2, pcall(error, "own", 0)))
      note(select(2, pcall(error, "cancelled", 0)))
      note(#erlua.map({ 1, 2 }, later))
      erlua.sleep(0.005)
      note("end")
    end })
    local b <close> = setmetatable({}, { __close = function() pcall(erlua.map, { 1 }, function() error("cancelled", 0) end) end })
    erlua.sleep(60)
  end)
  later()
  w:cancel()
  w:wait()
  t.eq(d, { "own", "cancelled", 2, "end" })
end)

t.test("a handler that replaces the error does not take the cancel back", function()
  local d, note = diary()
  local w = erlua.spawn(function()
    pcall(function()
      local a <close> = setmetatable({}, { __close = function() error("from the handler", 0) end })
      erlua.sleep(60)
    end)
    note(select(2, pcall(erlua.sleep, 0.001)))
    note(select(2, pcall(coroutine.wrap(function()
      local a <close> = setmetatable({}, { __close = function() error("again", 0) end })
      erlua.sleep(60)
    end))))
    erlua.sleep(0.001)
    note("not reached")
  end)
  later()
  w:cancel()
  w:wait()
  t.eq(d, { "cancelled", "again" })
end)

t.test("a cancel that comes while a handler waits lets it finish", function()
  local d, note = diary()
  local w = erlua.spawn(function()
    do
      local a <close> = setmetatable({}, { __close = function() erlua.sleep(0.02) note("handler") end })
    end
    note("after")
    erlua.sleep(0.001)
    note("never")
  end)
  later()
  w:cancel()
  w:wait()
  t.eq(d, { "handler", "after" })
end)

t.test("a task that never started ends without running, and one cancelled twice ends once", function()
  local ran = false
  local w = erlua.spawn(function() ran = true end)
  w:cancel()
  w:cancel()
  t.eq({ w:wait() }, { false, "cancelled" })
  t.eq(ran, false)
  t.eq(w:done(), true)
end)

t.test("a task may cancel itself: it ends there", function()
  local me
  local d, note = diary()
  me = erlua.spawn(function()
    local a <close> = setmetatable({}, { __close = function() erlua.sleep(0.001) note("closed") end })
    me:cancel()
    note("not reached")
  end)
  t.eq({ me:wait() }, { false, "cancelled" })
  t.eq(d, { "closed" })
end)

t.test("a task that catches its own cancel ends at its next wait", function()
  local me
  local d, note = diary()
  me = erlua.spawn(function()
    note(select(2, pcall(me.cancel, me)))
    note(select(2, pcall(erlua.sleep, 0.001)))
    erlua.sleep(0.001)
    note("never")
  end)
  t.eq({ me:wait() }, { false, "cancelled" })
  t.eq(d, { "cancelled", "cancelled" })
end)

t.test("cancelling a task that waits inside nested coroutines unwinds them all", function()
  local d, note = diary()
  local w = erlua.spawn(function()
    local a <close> = setmetatable({}, { __close = function() note("task") end })
    for _ in coroutine.wrap(function()
      local b <close> = setmetatable({}, { __close = function() note("generator") end })
      coroutine.wrap(function() erlua.sleep(60) end)()
    end) do end
  end)
  later()
  w:cancel()
  t.eq({ w:wait() }, { false, "cancelled" })
  t.eq(d, { "generator", "task" })
end)

t.test("a task that is woken already when it is cancelled ends at its next wait", function()
  local d, note = diary()
  local gate = erlua.spawn(later)
  local b
  local a = erlua.spawn(function() gate:wait() b:cancel() end)
  b = erlua.spawn(function() gate:wait() note("woken") erlua.sleep(0.001) note("never") end)
  a:wait()
  t.eq({ b:wait() }, { false, "cancelled" })
  t.eq(d, { "woken" })
end)

t.test("a handler that does not end is forced after five seconds, and what it waited for is left alone", function()
  local d, note = diary()
  local never = erlua.spawn(function() erlua.sleep(60) end)
  local function stuck(wait)
    return erlua.spawn(function()
      local outer <close> = setmetatable({}, { __close = function() note("outer") end })
      local a <close> = setmetatable({}, { __close = function() wait() note("never") end })
      erlua.sleep(60)
    end)
  end
  local all = { stuck(function() erlua.sleep(6) end), stuck(function() never:wait() end),
    stuck(function() erlua.exec { "/bin/sleep", "60" } end), stuck(function() erlua.map({ 1, 2 }, function() never:wait() end) end),
    stuck(function() pcall(erlua.sleep, 6) pcall(erlua.sleep, 6) end) }
  later()
  local began = task.clock()
  for _, w in ipairs(all) do w:cancel() end
  for _, w in ipairs(all) do t.eq({ w:wait() }, { false, "cancelled" }) end
  t.ok(task.clock() - began >= 4.9, "they had their five seconds")
  t.eq(d, { "outer", "outer", "outer", "outer", "outer" }, "the handlers further out ran")
  t.eq(never:done(), false)
  never:cancel()
  never:wait()
end)

t.test("a handler that waits for something impossible is forced too, instead of a deadlock", function()
  local r = run([[
    local main_gate
    local a = erlua.spawn(function()
      local x <close> = setmetatable({}, { __close = function() main_gate:wait() end })
      erlua.sleep(60)
    end)
    main_gate = erlua.spawn(function() a:wait() end)
    erlua.sleep(0.001)
    a:cancel()
    print(a:wait())
    print(main_gate:wait())
  ]])
  t.eq(r, { code = 0, out = "false\tcancelled\ntrue\n", err = "" })
end)

-- ---- map and each ------------------------------------------------------------------------

t.test("map gives results in the order of the list and hands over item and index", function()
  t.eq(erlua.map({ 3, 1, 2 }, function(v, i) erlua.sleep(v * 0.004) return v * 10 + i end), { 31, 12, 23 })
  t.eq(erlua.map({}, error), {})
end)

t.test("map respects parallel", function()
  local now, most = 0, 0
  local list = {}
  for i = 1, 20 do list[i] = i end
  erlua.map(list, function()
    now = now + 1
    most = math.max(most, now)
    erlua.sleep(0.001)
    now = now - 1
  end, { parallel = 3 })
  t.eq(most, 3)
  now, most = 0, 0
  for i = 1, 100 do list[i] = i end
  erlua.map(list, function() now = now + 1 most = math.max(most, now) later() now = now - 1 end)
  t.eq(most, 64, "unless told")
end)

t.test("map's first error cancels the rest, waits for their ends and is raised again", function()
  local d, note = diary()
  local object = setmetatable({}, { __tostring = function() return "the object" end })
  local ok, e = pcall(erlua.map, { 1, 2, 3, 4 }, function(i)
    local a <close> = setmetatable({}, { __close = function() if i ~= 2 then erlua.sleep(0.003) note(i) end end })
    if i == 2 then erlua.sleep(0.001) error(object) end
    erlua.sleep(60)
  end, { parallel = 3 })
  t.eq(ok, false)
  t.ok(rawequal(e, object))
  t.eq(d, { 3, 1 }, "the newest first, the fourth never began")
end)

t.test("map's first error cancels thousands at once, and each closes what it holds", function()
  local list, closed = {}, 0
  for i = 1, 2000 do list[i] = i end
  local ok, e = pcall(erlua.map, list, function(i)
    local a <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
    if i == 2000 then error("the last one", 0) end
    erlua.sleep(60)
  end, { parallel = 2000 })
  t.eq({ ok, e, closed }, { false, "the last one", 2000 })
end)

t.test("map and each explain wrong arguments at the caller's line", function()
  t.raises(function() erlua.map(5, print) end, "test_tasks.lua:%d+: erlua.map: a list expected, got number")
  t.raises(function() erlua.map({}, 5) end, "erlua.map: a function expected, got number")
  t.raises(function() erlua.each({}, print, { parallel = 0 }) end, "erlua.each: parallel must be a whole number")
end)

t.test("each hands out results as they finish", function()
  local got = {}
  local function turn(n, i)
    while #got < n - 1 do erlua.sleep(0.001) end
    return i * 10, "second"
  end
  for i, v, w in erlua.each({ 3, 1, 2 }, turn) do got[#got + 1] = { i, v, w } end
  t.eq(got, { { 2, 20, "second" }, { 3, 30, "second" }, { 1, 10, "second" } })
end)

t.test("leaving an each loop cancels the rest, by break and by error", function()
  local d, note = diary()
  local function work(i)
    local a <close> = setmetatable({}, { __close = function(_, e) if e then erlua.sleep(0.001) note(i) end end })
    erlua.sleep(i == 1 and 0.001 or 60)
  end
  for _ in erlua.each({ 1, 2, 3 }, work) do break end
  t.eq(d, { 3, 2 })
  t.raises(function() for _ in erlua.each({ 1, 4, 5 }, work) do error("left", 0) end end, "^left$")
  t.eq(d, { 3, 2, 5, 4 })
end)

t.test("an error in an item of each is raised in the loop", function()
  local e = t.raises(function() for _ in erlua.each({ 1, 2 }, function(i) later() if i == 2 then error("bad item", 0) end end) do end end)
  t.eq(e, "bad item")
end)

t.test("cancelling a task cancels the map, each and timeout that it waits in", function()
  local live = 0
  local function work() live = live + 1 local a <close> = setmetatable({}, { __close = function() live = live - 1 end }) erlua.sleep(60) end
  local function each() for _ in erlua.each({ 1, 2 }, work) do end end
  local all = { erlua.spawn(erlua.map, { 1, 2 }, work), erlua.spawn(each), erlua.spawn(erlua.timeout, 60, work),
    erlua.spawn(erlua.timeout, 60, erlua.timeout, 60, work) }
  later()
  t.eq(live, 6)
  for _, w in ipairs(all) do w:cancel() end
  for _, w in ipairs(all) do t.eq(select(2, w:wait()), "cancelled") end
  t.eq(live, 0)
end)

-- ---- timeout, sleep, once ------------------------------------------------------------------

t.test("timeout gives the results, the error, or nil and a code when the time is over", function()
  t.eq(table.pack(erlua.timeout(60, later, 1, nil, 3)), { n = 3, 1, nil, 3 })
  t.eq(table.pack(erlua.timeout(60, later)), { n = 0 })
  t.raises(function() erlua.timeout(60, function() later() error("own", 0) end) end, "^own$")
  t.raises(function() erlua.timeout(60, function() error("timeout", 0) end) end, "^timeout$")
  local closed = false
  t.eq({ erlua.timeout(0.005, function()
    local a <close> = setmetatable({}, { __close = function() closed = true end })
    erlua.sleep(60)
  end) }, { nil, "timeout", "timeout" })
  t.eq(closed, true)
end)

t.test("an outer timeout ends an inner one and what it runs", function()
  local ended = false
  local function work() local a <close> = setmetatable({}, { __close = function() ended = true end }) erlua.sleep(60) end
  t.eq({ erlua.timeout(0.005, erlua.timeout, 60, work) }, { nil, "timeout", "timeout" })
  t.eq(ended, true)
end)

t.test("sleep is never shorter than asked, and refuses nonsense", function()
  local ticking = erlua.spawn(function() while true do erlua.sleep(0.0005) end end)   -- the loop turns all the time
  for _ = 1, 20 do
    local began = task.clock()
    erlua.sleep(0.005)
    local slept = task.clock() - began
    t.ok(slept >= 0.005, slept)
  end
  ticking:cancel()
  ticking:wait()
  for _, s in ipairs { -1, 0 / 0, math.huge, 1e10 } do t.raises(function() erlua.sleep(s) end, "seconds from 0") end
  t.raises(function() erlua.sleep("soon") end, "number expected")
end)

t.test("sleepers wake in the order of their times", function()
  local d, note
  for _, unit in ipairs { 0.01, 0.1, 1 } do             -- a machine may stand still between two who lie down
    d, note = diary()
    erlua.map({ 3, 1, 2 }, function(n) erlua.sleep(n * unit) note(n) end)
    if d[1] == 1 and d[2] == 2 then break end
  end
  t.eq(d, { 1, 2, 3 })
end)

t.test("once returns what the function returned, through JSON, and raises what it raised", function()
  t.eq(table.pack(erlua.once(function() return 1, nil, "x", { a = { 1, 2.5 } } end)), { n = 4, 1, nil, "x", { a = { 1, 2.5 } } })
  t.eq(table.pack(erlua.once(function() later() end)), { n = 0 })
  t.raises(function() erlua.once(function() error("inside", 0) end) end, "^inside$")
  t.raises(function() erlua.once(function() return print end) end, "function has no JSON form")
  t.raises(function() erlua.once(function() return "\xff" end) end, "UTF%-8")
end)

t.test("ten thousand tasks sleep at once", function()
  local n, woken = 10000, 0
  local list = {}
  for i = 1, n do list[i] = erlua.spawn(function() erlua.sleep(0.05) woken = woken + 1 end) end
  t.ok(task.live() > n)
  for i = 1, n do list[i]:wait() end
  t.eq(woken, n)
end)

t.test("a job in the folder of an earlier one runs, and does not take the earlier result", function()
  local dir = t.tmpdir() .. "/job"
  local code = 'print(erlua.job({ "/bin/sh", "-c", "exit " .. arg[1], dir = "' .. dir .. '" }):wait().exit_code)'
  local script = t.write(t.tmpdir() .. "/s.lua", code)
  local r = t.run { t.erlua, script, "3" }
  if r.err:find("sandbox") then t.skip("no sandbox here") end
  t.eq(r.out, "3\n", r.err)
  r = t.run { t.erlua, script, "4" }
  t.eq(r.out, "4\n", r.err)
end)

-- ---- what ends a program ---------------------------------------------------------------------

t.test("an error in a task nobody waits for is reported with its traceback and the exit code is 1", function()
  local r = run([[
    local function deep() erlua.sleep(0.001) over = true error("nobody hears") end
    erlua.spawn(function() deep() end)
    repeat erlua.sleep(0.001) until over
    collectgarbage()
    print("the rest goes on")
  ]])
  t.eq(r.code, 1)
  t.eq(r.out, "the rest goes on\n")
  t.match(r.err, "task 0%.1 %(.-script%.lua:2%) failed: .-script%.lua:1: nobody hears")
  t.match(r.err, "stack traceback:.*'deep'")
end)

t.test("it is reported too when the task's handle lives to the end", function()
  local r = run([[kept = erlua.spawn(function() error("kept") end) erlua.sleep(0.001) print("end")]])
  t.eq({ r.code, r.out }, { 1, "end\n" })
  t.match(r.err, "task 0%.1 .-failed: .-kept")
  local _, times = r.err:gsub("failed:", "")
  t.eq(times, 1)
end)

t.test("an error that somebody waited for, or a cancel, is nobody else's news", function()
  local r = run([[
    local w = erlua.spawn(function() erlua.sleep(0.001) error("heard") end)
    print((w:wait()))
    local c = erlua.spawn(function() erlua.sleep(60) end)
    erlua.sleep(0.001)
    c:cancel()
  ]])
  t.eq(r, { code = 0, out = "false\n", err = "" })
end)

t.test("tasks that still run at the end of the script are cancelled and close what they hold", function()
  local r = run([[
    erlua.spawn(function()
      local a <close> = setmetatable({}, { __close = function() erlua.sleep(0.01) print("closed") end })
      erlua.sleep(60)
    end)
    erlua.sleep(0.001)
    print("main ends")
  ]])
  t.eq(r, { code = 0, out = "main ends\nclosed\n", err = "" })
end)

t.test("a deadlock is an error, not a hang", function()
  local r = run([[
    local a, b
    a = erlua.spawn(function() b:wait() end)
    b = erlua.spawn(function() a:wait() end)
    a:wait()
  ]])
  t.eq(r.code, 1)
  t.match(r.err, "can never happen")
end)

t.test("an error of the main script is reported with its traceback and is exit 1", function()
  local r = run([[local function f() erlua.sleep(0.001) error({ code = 5 }) end print("x") f()]])
  t.eq({ r.code, r.out }, { 1, "x\n" })
  r = run([[local function f() erlua.sleep(0.001) error("broken") end f()]])
  t.match(r.err, "script.lua:1: broken\nstack traceback:.*'f'")
end)

t.test("os.exit ends the program at once, whatever pcall stands around it", function()
  local r = run([[pcall(function() os.exit(7) end) print("not reached")]])
  t.eq(r, { code = 7, out = "", err = "" })
  r = run([[
    local w = erlua.spawn(function() erlua.sleep(0.001) coroutine.wrap(function() pcall(os.exit, true) end)() print("no") end)
    w:wait()
    print("no")
  ]])
  t.eq(r, { code = 0, out = "", err = "" })
end)

t.test("a finalizer may not wait, and says so on standard error at most", function()
  local r = run([[
    setmetatable({}, { __gc = function() erlua.sleep(1) end })
    collectgarbage()
    print("on")
  ]])
  t.eq({ r.code, r.out }, { 0, "on\n" })
end)

return t
