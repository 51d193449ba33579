-- Effects whose body is Lua: what of them is journaled, what a stop waits for, what a
-- cancel ends, and how a study ends when all that lives is held.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local engine = dofile(t.source .. "/tests/lib/engine.lua")(t)
local task = require("erlua.core.task")

-- A strategy of a few lines, run in a folder of its own.  `diary(word)` leaves a line in
-- a file, so that what really ran is seen from outside.
local HEAD = [[
local task = require("erlua.core.task")
local host = require("erlua.core.host")
local study = erlua.study(erlua.options { env = "x" })
local function diary(word) erlua.exec { "sh", "-c", "echo " .. word .. " >> DIARY" } end
]]

local function strategy(dir, body)
  local head = HEAD:gsub("DIARY", function() return dir .. "/diary" end)
  return { t.write(dir .. "/effects.lua", head .. body), "--env", engine.env, "--study", dir .. "/s" }
end

local function lines(dir) return (t.read(dir .. "/diary") or ""):gsub("\n", " ") end

t.test("an effect runs its function once in the life of a study and hands out what it returned", function()
  local dir = t.tmpdir()
  local args = strategy(dir, [[
    local a, b = task.effect("chat", "[1]", function() diary("asked") erlua.sleep(0.001) return "x", { n = 1 } end)
    print(a, b.n)
    erlua.sleep(0.01)
    print("end")
  ]])
  t.eq(engine.run(args, { fault = "commit.after:4" }).signal, 9)
  local r = engine.run(args)
  t.eq(r.code, 0, r.stderr)
  t.eq(lines(dir), "asked ")
  t.eq(engine.sql(dir .. "/s", "SELECT kind, call, result FROM effects WHERE kind = 'chat'"), 'chat|[1]|[true,"x",{"n":1}]')
  t.eq(engine.run { "replay", dir .. "/s" }.code, 0)
end)

t.test("a function begins at once, whatever else is waited for", function()
  local late = false
  local other = erlua.spawn(function() erlua.sleep(8) late = true end)
  erlua.pause()
  erlua.once(function() end)
  t.eq(late, false, "it did not wait for the other task")
  other:cancel()
  other:wait()
end)

t.test("an error in the function is raised where it was called, also in replay", function()
  local dir = t.tmpdir()
  local args = strategy(dir, [[
    print(pcall(task.effect, "chat", "[]", function() error("no reply", 0) end))
  ]])
  local r = engine.run(args)
  t.eq({ r.code, r.stdout }, { 0, "false\tno reply\n" }, r.stderr)
  t.eq(engine.run { "replay", dir .. "/s" }.code, 0)
end)

t.test("another call at the same place is a mismatch that names both", function()
  local dir = t.tmpdir()
  local plan = t.write(dir .. "/plan", "1")
  local args = strategy(dir, ([[
    local n = io.open("%s"):read("a")
    task.effect("chat", "[" .. n .. "]", function() return 1 end)
    erlua.sleep(0.01)
    erlua.sleep(0.01)
  ]]):format(plan))
  t.eq(engine.run(args, { fault = "commit.after:4" }).signal, 9)
  t.write(plan, "2")
  local r = engine.run(args)
  t.eq(r.code, 1)
  t.match(r.stderr, "asks for `chat %[2%]` .* where the journal has `chat %[1%]`")
end)

t.test("a cancelled caller ends the function, whose <close> handlers run", function()
  local log = {}
  local w = erlua.spawn(task.effect, "chat", "[]", function()
    local closed <close> = setmetatable({}, { __close = function() log[#log + 1] = "closed" end })
    task.parking():wait()
  end)
  erlua.sleep(0.01)
  w:cancel()
  t.eq({ w:wait() }, { false, "cancelled" })
  erlua.sleep(0.001)
  t.eq(log, { "closed" })
end)

t.test("those who are parked are woken in the order they came, some or all of them", function()
  local p, log = task.parking(), {}
  local tasks = {}
  for i = 1, 4 do tasks[i] = erlua.spawn(function() table.insert(log, { i, (p:wait()) }) end) end
  erlua.sleep(0.001)
  t.eq(p:wake(1), 1)
  erlua.sleep(0.001)
  t.eq(log, { { 1, true } })
  tasks[2]:cancel()
  t.eq(p:wake(), 2)
  erlua.sleep(0.001)
  t.eq(log, { { 1, true }, { 3, true }, { 4, true } })
  t.eq(p:wake(), 0)
end)

t.test("a parked task goes on by itself when its time is over", function()
  local p = task.parking()
  t.eq(p:wait(0.001), false)
  local other = erlua.spawn(function() return p:wait(30) end)
  erlua.sleep(0.001)
  p:wake()
  t.eq({ other:wait() }, { true, true })
end)

t.test("a strategy cannot park: the order of such wakes is in no journal", function()
  local dir = t.tmpdir()
  local r = engine.run(strategy(dir, "task.parking():wait()"))
  t.eq(r.code, 1)
  t.match(r.stderr, "parking:wait: in a study only the function of an effect")
end)

t.test("Ctrl-C waits for the request in flight, whose result is in the journal, and asks for nothing more", function()
  local dir = t.tmpdir()
  local args = strategy(dir, [[
    local a = task.effect("chat", "[1]", function()
      local flight <close> = task.calling()
      diary("asked")
      repeat task.parking():wait(0.02) until host.stopping()
      return "answer"
    end)
    diary("more")
    task.effect("chat", "[2]", function() return 2 end)
    print(a)
  ]])
  local e = engine.start(args)
  t.await("it asks", function() return lines(dir) ~= "" end)
  engine.signal("INT", engine.pid(dir .. "/s"))
  local r = e.result()
  t.eq(r.code, 3, r.stderr)
  t.match(r.stderr, "waiting for 1 model call in flight")
  t.eq(lines(dir), "asked ")
  t.eq(engine.sql(dir .. "/s", "SELECT result FROM effects WHERE kind = 'chat'"), '[true,"answer"]')
  r = engine.run(args)
  t.eq({ r.code, r.stdout }, { 0, "answer\n" }, r.stderr)
  t.eq(lines(dir), "asked more ")
end)

t.test("Ctrl-C twice does not wait for a request", function()
  local dir = t.tmpdir()
  local e = engine.start(strategy(dir, [[
    task.effect("chat", "[1]", function()
      local flight <close> = task.calling()
      diary("asked")
      repeat task.parking():wait(0.02) until host.stopping()
      io.open("]] .. dir .. [[/stopping", "w"):close()
      task.parking():wait(600)
    end)
  ]]))
  t.await("it asks", function() return lines(dir) ~= "" end)
  engine.signal("INT", engine.pid(dir .. "/s"))
  t.await("it waits", function() return t.read(dir .. "/stopping") end)
  engine.signal("INT", engine.pid(dir .. "/s"))
  t.eq(e.result().code, 3)
  t.eq(engine.sql(dir .. "/s", "SELECT count(*) FROM effects WHERE kind = 'chat'"), "0")
end)

t.test("a study that is to stop goes on until all that lives is held, then ends with 3 and the reason", function()
  local dir = t.tmpdir()
  local args = strategy(dir, [[
    study:baseline()
    local ideas = study:propose { n = 3 }
    local held = erlua.spawn(function()
      return task.effect("chat", "[1]", function()
        if io.open("]] .. dir .. [[/more") then return "now" end
        local held <close> = task.hold()
        host.stop("the budget of $1 is spent")
        task.parking():wait()
      end)
    end)
    erlua.map(ideas, function(idea) return study:trial(idea) end)
    print(select(2, held:wait()))
  ]])
  local r = engine.run(args)
  t.eq({ r.code, r.stdout }, { 3, "" }, r.stderr)
  t.match(r.stderr, "the budget of $1 is spent; go on with: erlua resume")
  t.eq(engine.sql(dir .. "/s", "SELECT count(*) FROM trials WHERE outcome IS NOT NULL"), "4", "what needed no call went on")
  t.write(dir .. "/more", "")
  r = engine.run(args)
  t.eq({ r.code, r.stdout }, { 0, "now\n" }, r.stderr)
end)

return t
