-- Durable execution: an engine killed with SIGKILL, at random moments and at each
-- point where something could be lost, goes on as if nothing had happened.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local engine = dofile(t.source .. "/tests/lib/engine.lua")(t)
local json = require("erlua.json")

-- evolve: its ideas depend on the rewards of earlier trials, so a lost or doubled one shows.
local function search(dir, epochs, batch, extra)
  local args = { "strategies/evolve.lua", "--env", engine.env, "--epochs", tostring(epochs), "--batch", tostring(batch),
    "--slots", "2", "--study", dir, "--repeats", "1", "--confirm", "0" }
  return table.move(extra or {}, 1, #(extra or {}), #args + 1, args)
end

local whole = {}             -- the uninterrupted studies, made once

local function uninterrupted(epochs, batch)
  local key = epochs .. "x" .. batch
  if not whole[key] then
    local dir = t.tmpdir() .. "/whole"
    local r = engine.run(search(dir, epochs, batch))
    t.eq(r.code, 0, r.stderr)
    whole[key] = engine.trials(dir)
  end
  return whole[key]
end

t.test("a study that is killed with SIGKILL again and again ends as the uninterrupted one", function()
  local want, dir = uninterrupted(3, 20), nil
  engine.kill_often(function()
    dir = t.tmpdir() .. "/killed"
    return search(dir, 3, 20)
  end, 5, 25)
  engine.check(dir, want, 61)
end)

-- Kills at the n-th passing of a point, resumes without it, and compares.
local function fault(point, n, extra)
  local dir = t.tmpdir() .. "/study"
  local r = engine.run(search(dir, 2, 3, extra), { fault = point .. ":" .. n })
  if r.signal ~= 9 then
    t.eq({ r.code, r.signal }, { 0, 0 }, r.stderr)
    return false
  end
  r = engine.run(search(dir, 2, 3, extra))
  t.eq(r.code, 0, point .. ":" .. n .. ": " .. r.stderr)
  t.eq(engine.trials(dir), uninterrupted(2, 3), point .. ":" .. n)
  t.eq(engine.sql(dir, "SELECT group_concat(id) FROM jobs WHERE starts <> 1 OR ended IS NULL"), "", "jobs not run exactly once")
  t.eq(assert(erlua.exec { "ls", dir .. "/jobs" }).stdout, "", "folders left")
  r = engine.run { "replay", dir }
  t.eq({ r.code, r.stderr }, { 0, "" }, "replay after " .. point .. ":" .. n)
  return true
end

-- Every passing until the program ends by itself; two at a time.
local function every(point, step, least)
  local passed, last = 0, false
  for first = 1, 1000, 2 * step do
    for _, hit in erlua.each({ first, first + step }, function(n) return fault(point, n) end) do
      if hit then passed = passed + 1 else last = true end
    end
    if last then break end
  end
  t.ok(passed >= least, point .. " was passed " .. passed .. " times")
end

t.test("a kill before any commit loses nothing", function() every("commit.before", 3, 3) end)
t.test("a kill after any commit loses nothing", function() every("commit.after", 3, 3) end)
t.test("a kill before any job is started loses nothing", function() every("job.before_spawn", 7, 2) end)
t.test("a kill between the start of a job and its claim loses nothing", function() every("job.after_spawn", 7, 2) end)
t.test("a kill between a job's result and its commit loses nothing", function() every("job.exited", 4, 2) end)

-- Supervisors that die: the engine sees it and runs the job once more, then calls it lost.
local function supervisor_dies(point)
  local dir = t.tmpdir() .. "/study"
  local r = engine.run(search(dir, 1, 2), { fault = point })
  return dir, r
end

t.test("a supervisor that is killed before or after its claim is started anew, a few times", function()
  for _, point in ipairs { "supervise.before_claim", "supervise.after_claim" } do
    local dir, r = supervisor_dies(point)
    t.eq(r.code, 1, point)
    t.match(r.stderr, "baseline.*lost")
    t.eq(engine.sql(dir, "SELECT outcome, stage FROM trials"), "lost|train")
    engine.gone(dir)
  end
end)

t.test("a supervisor that is killed between the end of the job and its result runs it once more, then it is lost", function()
  local dir, r = supervisor_dies("supervise.before_exit")
  t.eq(r.code, 1)
  t.eq(engine.sql(dir, "SELECT outcome, stage FROM trials"), "lost|train")
  t.eq(engine.sql(dir, "SELECT starts FROM jobs"), "2")
end)

t.test("a supervisor that is killed after its result has done its work", function()
  local dir, r = supervisor_dies("supervise.after_exit")
  t.eq(r.code, 0, r.stderr)
  engine.check(dir, nil, 3)
end)

-- The second kind of crash: engine and running jobs at once, as when the power goes.
t.test("an engine that is killed together with its jobs runs them once more", function()
  local dir, args
  repeat                                  -- again where the job was over before it could be killed
    dir = t.tmpdir() .. "/study"
    args = search(dir, 1, 2, { "--preset", "long" })
    local ran = erlua.spawn(engine.run, args)
    t.await("a job runs", function() return ran:done() or (t.read(dir .. "/jobs/1/started") or "") ~= "" end)
    ran:cancel()
    ran:wait()
    t.await("its processes are gone", function()
      local left = engine.processes(dir)
      for pid in ("\n" .. left):gmatch("\n(%d+) ") do os.execute("kill -9 " .. pid .. " 2>/dev/null") end
      return left == ""
    end)
  until not t.read(dir .. "/jobs/1/exit") and t.read(dir .. "/jobs/1/started")
  local r = engine.run(args)
  t.eq(r.code, 0, r.stderr)
  t.eq(engine.sql(dir, "SELECT count(*), sum(outcome = 'ok') FROM trials"), "3|3")
  t.eq(engine.sql(dir, "SELECT max(starts) FROM jobs"), "2")
  r = engine.run { "replay", dir }
  t.eq({ r.code, r.stderr }, { 0, "" }, "replay")
end)

-- Tasks that are woken together: the rows of all are committed before the first one runs and reads
-- the clock, so a kill can leave later wakes in the journal and not the reading between them.
t.test("clock readings between wakes of one commit may be lost with the engine and are made again", function()
  local dir = t.tmpdir()
  local script = t.write(dir .. "/mine.lua", [[
    local study = erlua.study(erlua.options { env = "x" })
    erlua.map({ 1, 2, 3, 4 }, function(i)
      for round = 1, 3 do
        erlua.sleep(0.01)
        local read = round == 2 and os.time() or erlua.now()
        if round == i then erlua.spawn(function() erlua.sleep(0.005) os.getenv("HOME") end):cancel() end
        if round == 3 then study:log("task %d read %s", i, read) end
      end
    end)
  ]])
  for _, point in ipairs { "commit.before", "commit.after" } do
    for n = 1, 30 do
      local study = dir .. "/" .. point .. n
      local args = { script, "--env", engine.env, "--study", study }
      local r = engine.run(args, { fault = point .. ":" .. n })
      if r.signal ~= 9 then break end
      r = engine.run(args)
      t.eq(r.code, 0, point .. ":" .. n .. ": " .. r.stderr)
      r = engine.run { "replay", study }
      t.eq({ r.code, r.stderr }, { 0, "" }, point .. ":" .. n)
    end
  end
end)

t.test("a job that the strategy gave up just before the kill is ended by the next engine", function()
  local dir = t.tmpdir()
  t.write(dir .. "/env/env.lua", [[return { name = "long", editable = { "x.lua" }, train = { "/bin/sleep", "60" }, evaluate = { "/bin/true" }, metric = "m", direction = "max" }]])
  t.write(dir .. "/env/x.lua", "local x = 1\nreturn x\n")
  local script = t.write(dir .. "/mine.lua", [[
    local opt = erlua.options { env = "x", pause = 1.5 }
    local study = erlua.study(opt)
    erlua.timeout(opt.pause, study.trial, study, study:propose { n = 1 }[1])
    erlua.sleep(0.3)
  ]])
  -- Whether a kill at the n-th commit came between that of the giving up and the signal.
  local function killed_at(n, pause)
    local study = dir .. "/s" .. n .. "-" .. pause
    local args = { script, "--env", dir .. "/env", "--study", study, "--pause", pause }
    local r = engine.run(args, { fault = "commit.after:" .. n })
    local met = engine.processes(study) ~= "" and engine.sql(study, "SELECT count(*) FROM effects WHERE kind = 'cancel'") == "1"
    if r.signal == 9 then r = engine.run(args) end
    t.eq(r.code, 0, r.stderr)
    engine.gone(study)
    t.eq(engine.run(args).code, 0)
    t.eq(assert(erlua.exec { "ls", study .. "/jobs" }).stdout, "", "folders left")
    r = engine.run { "replay", study }
    t.eq({ r.code, r.stderr }, { 0, "" })
    return met
  end
  for _, pause in ipairs { "0.15", "1", "5", "25" } do        -- a busy machine needs its time to start a job
    local met = false
    for n = 1, 12 do met = killed_at(n, pause) or met end
    if met then return end
  end
  error("no kill came between the commit and the signal")
end)

t.test("a study killed while it is made is made again", function()
  for n = 1, 3 do
    local dir = t.tmpdir()
    local args = { "strategies/bestofn.lua", "--env", engine.env, "--epochs", "1", "--batch", "2" }
    local r = engine.run(args, { fault = "commit.before:1", cwd = dir })
    t.eq(r.signal, 9)
    r = engine.run(args, { cwd = dir })
    t.eq(r.code, 0, r.stderr)
  end
end)

-- What the strategy itself does is durable too: once, timeouts, clocks, cancels.
local VARIED = [[
local opt = erlua.options { env = "x", epochs = 1, log = "" }
local study = erlua.study(opt)
local seen = {}
local function note(...)
  for _, v in ipairs { ... } do seen[#seen + 1] = tostring(v) end
end
local function outside(word) return erlua.once(function() erlua.sleep(0.005) erlua.sleep(0.005) return word .. math.random(9) end) end
study:baseline()
note("time", os.time() > 0, os.getenv("HOME") ~= nil, erlua.now() > 0)
note(outside("a"))
local ideas = study:propose { n = 6, prompt = "first" }
local ends = erlua.map(ideas, function(idea)
  if idea.id % 3 == 0 then
    local got, why = erlua.timeout(0.01, study.trial, study, idea)
    return got and got.outcome or why
  end
  erlua.sleep(0.001 * idea.id)
  return outside(study:trial(idea).outcome .. math.random(100))
end, { parallel = 3 })
for _, e in ipairs(ends) do note(e) end
local slow = erlua.spawn(function()
  local guard <close> = setmetatable({}, { __close = function() erlua.sleep(0.02) note("closed") end })
  study:trial(study:propose { n = 1 }[1])
end)
erlua.sleep(0.01)
slow:cancel()
note(select(2, slow:wait()))
local first
for i, outcome in erlua.each(study:propose { n = 3 }, function(idea) return study:trial(idea).outcome end) do
  first = outcome
  break
end
note(first, math.random(1000))
note(select(2, pcall(erlua.once, function() error("recorded", 0) end)))
local again = study:propose { n = 2, prompt = "exploit", parents = study:trials() }
for _, idea in ipairs(again) do note(idea.text, #idea.parents, study:trial(idea).outcome) end
erlua.once(function()
  local f = assert(io.open(opt.log, "a"))
  f:write(table.concat(seen, "\n"), "\nend\n")
  f:close()
end)
study:report()
]]

t.test("once, timeouts, clocks and cancels come out the same after kills at every commit", function()
  local dir = t.tmpdir()
  local script = t.write(dir .. "/varied.lua", VARIED)
  local n = 1
  for first = 1, 1000, 9 do
    local ended = false
    for _, over in erlua.each({ first, first + 3, first + 6 }, function(at)
      local study = dir .. "/s" .. at
      local args = { script, "--env", engine.env, "--study", study, "--slots", "2", "--log", study .. ".log" }
      local r = engine.run(args, { fault = "commit.after:" .. at })
      if r.signal ~= 9 then
        t.eq(r.code, 0, r.stderr)
        return true
      end
      r = engine.run(args)
      t.eq(r.code, 0, "after commit " .. at .. ": " .. r.stderr)
      t.match(t.read(study .. ".log"), "closed\ncancelled\n.*recorded\n.*end\n$")
      r = engine.run { "replay", study }
      t.eq({ r.code, r.stderr }, { 0, "" }, "replay after commit " .. at)
      return false
    end) do
      n = n + 1
      ended = ended or over
    end
    if ended then break end
  end
  t.ok(n > 5)
end)

return t
