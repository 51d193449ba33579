-- Which study a command belongs to, how it goes on, how it is stopped, and what is said
-- when its file cannot be used.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local engine = dofile(t.source .. "/tests/lib/engine.lua")(t)
local json = require("erlua.json")

local function search(extra, epochs)
  local args = { "strategies/bestofn.lua", "--env", engine.env, "--epochs", tostring(epochs or 2), "--batch", "3", "--slots", "2", "--repeats", "1",
    "--confirm", "0" }
  return table.move(extra or {}, 1, #(extra or {}), #args + 1, args)
end

-- A study that was killed half-way: its folder.
local function half(dir, extra)
  local r = engine.run(search(extra), { fault = "commit.after:8", cwd = dir })
  t.eq(r.signal, 9, r.stderr)
end

local function ls(dir) return (assert(erlua.exec { "ls", dir }).stdout:gsub("\n", " ")) end

local function counts(dir) return engine.sql(dir, "SELECT count(*), sum(outcome = 'ok') FROM trials") end

local function replays(dir)
  local r = engine.run { "replay", dir }
  t.eq({ r.code, r.stderr }, { 0, "" })
end

-- ---- which study ---------------------------------------------------------------------

t.test("the same command resumes the newest unfinished match and says so; finished ones are left alone", function()
  local dir = t.tmpdir()
  half(dir)
  local r = engine.run(search(), { cwd = dir })
  t.eq(r.code, 0, r.stderr)
  t.match(r.stderr, "resum[^\n]*studies/bestofn%-shell")
  t.eq(ls(dir .. "/studies"), "bestofn-shell ")
  t.eq(counts(dir .. "/studies/bestofn-shell"), "7|7")
  r = engine.run(search(), { cwd = dir })
  t.eq(r.code, 0, r.stderr)
  t.no_match(r.stderr, "resum")
  t.eq(ls(dir .. "/studies"), "bestofn-shell bestofn-shell-2 ")
end)

t.test("--new takes the next free name, and the newest of several unfinished ones is resumed", function()
  local dir = t.tmpdir()
  half(dir)
  half(dir, { "--new" })
  half(dir, { "--new", "--seed", "2" })
  t.eq(ls(dir .. "/studies"), "bestofn-shell bestofn-shell-2 bestofn-shell-3 ")
  local r = engine.run(search(), { cwd = dir })
  t.match(r.stderr, "resum[^\n]*bestofn%-shell%-2")
  t.eq(counts(dir .. "/studies/bestofn-shell-2"), "7|7")
  r = engine.run(search(), { cwd = dir })
  t.match(r.stderr, "resum[^\n]*bestofn%-shell\n")
  r = engine.run(search { "--seed", "2", "--slots", "1" }, { cwd = dir })
  t.match(r.stderr, "resum[^\n]*bestofn%-shell%-3", "--slots is not compared")
end)

t.test("--study DIR is created, resumed, reported when finished, and refused when it is another one", function()
  local dir = t.tmpdir() .. "/deep/one"
  half(nil, { "--study", dir })
  local r = engine.run(search { "--study", dir })
  t.eq(r.code, 0, r.stderr)
  t.match(r.stderr, "resum")
  local before = engine.sql(dir, "SELECT count(*), max(ord) FROM effects")
  r = engine.run(search { "--study", dir })
  t.eq(r.code, 0, r.stderr)
  t.match(r.stdout, "7", "its report")
  t.eq(engine.sql(dir, "SELECT count(*), max(ord) FROM effects"), before)
  r = engine.run(search { "--study", dir, "--seed", "5", "--batch", "4" })
  t.eq(r.code, 2)
  t.match(r.stderr, "%-%-batch was 3, is 4")
  t.match(r.stderr, "%-%-seed was 1, is 5")
  r = engine.run(search({ "--study", dir }, 1))
  t.eq(r.code, 2)
  t.match(r.stderr, "%-%-epochs was 2, is 1")
end)

t.test("folders that an engine left when it died at the very end are removed with the next command", function()
  local dir = t.tmpdir() .. "/s"
  t.eq(engine.run(search { "--study", dir }).code, 0)
  os.execute("mkdir -p " .. dir .. "/jobs/14/work " .. dir .. "/jobs/99")
  t.eq(engine.run(search { "--study", dir }).code, 0)
  t.eq(ls(dir .. "/jobs"), "")
end)

t.test("--json of a finished study prints its report as JSON", function()
  local dir = t.tmpdir() .. "/s"
  local first = engine.run(search { "--study", dir, "--json" })
  t.eq(first.code, 0, first.stderr)
  t.ok(json.decode(first.stdout), "JSON at the end of the search")
  local again = engine.run(search { "--study", dir, "--json" })
  t.eq(again.stdout, first.stdout)
end)

t.test("a study in use elsewhere is exit 1 with the pid of who uses it; readers do not mind", function()
  local dir = t.tmpdir()
  local study = dir .. "/studies/bestofn-shell"
  local env, go_on = engine.gated()
  local running = engine.start(search { "--env", env }, { cwd = dir })
  local pid = engine.pid(study)
  t.await("two jobs run", function() return engine.running(study) == 2 end)
  for _, args in ipairs { search { "--env", env }, search { "--env", env, "--study", study }, { "resume", study } } do
    local r = engine.run(args, { cwd = dir })
    t.eq(r.code, 1, table.concat(args, " "))
    t.match(r.stderr, "in use by another erlua %(pid " .. pid)
  end
  t.eq(engine.run { "trials", study, "--json" }.code, 0)
  t.eq(engine.run { "report", study }.code, 0)
  engine.signal("TERM", pid)
  t.eq(running.result().code, 3)
  go_on()
  t.eq(engine.run(search { "--env", env }, { cwd = dir }).code, 0)
  replays(study)
end)

t.test("--epochs raised on a finished study goes on, as if it had been asked for at first", function()
  local dir = t.tmpdir()
  local study = dir .. "/studies/bestofn-shell"
  t.eq(engine.run(search({}, 1), { cwd = dir }).code, 0)
  local r = engine.run(search({}, 2), { cwd = dir })
  t.eq(r.code, 0, r.stderr)
  t.eq(counts(study), "7|7")
  replays(study)
  r = engine.run { "resume", study, "--epochs", "3" }
  t.eq(r.code, 0, r.stderr)
  t.eq(counts(study), "10|10")
  replays(study)
  r = engine.run { "resume", study, "--batch", "9" }
  t.match(r.stderr, "^erlua: %-%-batch was 3, is 9%. If the study does not match its journal so, go on without that; %-%-epochs may be raised\n")
  t.eq({ r.code, counts(study) }, { 1, "10|10" })
  r = engine.run { "resume", study, "--slots", "1", "--budget", "jobs=1000" }
  t.eq(r.code, 0, "nothing of that is kept")
  t.no_match(r.stderr, " was ")
  local whole = t.tmpdir() .. "/whole"
  t.eq(engine.run(search({ "--study", whole }, 3)).code, 0)
  t.eq(engine.trials(study), engine.trials(whole))
  t.eq(ls(dir .. "/studies"), "bestofn-shell ")
end)

-- ---- edits ------------------------------------------------------------------------------

local STRATEGY = [[
local opt = erlua.options { env = "x", epochs = 2, batch = 3 }
local study = erlua.study(opt)
study:baseline()
for _ = 1, opt.epochs do
  erlua.map(study:propose { n = opt.batch }, function(idea) return study:trial(idea) end)
end
study:report()
]]

t.test("a strategy edited mid-study starts anew by default; resume uses the copy and says what changed", function()
  local dir = t.tmpdir()
  local script = t.write(dir .. "/mine.lua", STRATEGY)
  local args = { script, "--env", engine.env }
  t.eq(engine.run(args, { fault = "commit.after:8", cwd = dir }).signal, 9)
  t.write(script, STRATEGY .. "\nprint('edited')\n")
  local r = engine.run({ script, "--env", engine.env, "--study", dir .. "/studies/mine-shell" }, { cwd = dir })
  t.eq(r.code, 2)
  t.match(r.stderr, "script [^\n]*mine%.lua has changed")
  r = engine.run(args, { cwd = dir })
  t.eq(r.code, 0, r.stderr)
  t.match(r.stdout, "edited\n")
  t.eq(ls(dir .. "/studies"), "mine-shell mine-shell-2 ")
  r = engine.run({ "resume", dir .. "/studies/mine-shell" }, { cwd = dir })
  t.eq(r.code, 0, r.stderr)
  t.no_match(r.stdout, "edited")
  t.match(r.stderr, "changes to [^\n]*mine%.lua")
  t.eq(counts(dir .. "/studies/mine-shell"), "7|7")
  replays(dir .. "/studies/mine-shell")
end)

t.test("an environment edited mid-study starts anew by default; resume uses the copy and says what changed", function()
  local dir = t.tmpdir()
  assert(os.execute("cp -r " .. t.quote(engine.env) .. " " .. t.quote(dir .. "/env")))
  local args = { "strategies/bestofn.lua", "--env", dir .. "/env", "--epochs", "1", "--batch", "3" }
  t.eq(engine.run(args, { fault = "commit.after:8", cwd = dir }).signal, 9)
  t.write(dir .. "/env/program.lua", "local x = 1\nreturn x\n")
  t.eq(engine.run(args, { cwd = dir }).code, 0)
  t.eq(ls(dir .. "/studies"), "bestofn-shell bestofn-shell-2 ")
  local r = engine.run({ "resume", "studies/bestofn-shell" }, { cwd = dir })
  t.eq(r.code, 0, r.stderr)
  t.match(r.stderr, "changes to the environment")
  t.ok(tonumber(engine.sql(dir .. "/studies/bestofn-shell", "SELECT reward FROM trials WHERE id = 1")) > 100, "the old files")
  os.execute("rm -rf " .. t.quote(dir .. "/env"))
  replays(dir .. "/studies/bestofn-shell")
end)

t.test("a strategy that no longer matches its journal is told the line and the call", function()
  local dir = t.tmpdir()
  local plan = t.write(dir .. "/plan", "3")
  local script = t.write(dir .. "/mine.lua", [[
local study = erlua.study(erlua.options { env = "x" })
study:baseline()
local n = tonumber(io.open("]] .. plan .. [["):read("a"))
local ideas = study:propose { n = n }
if n > 5 then erlua.sleep(0.01) end
erlua.map(ideas, function(idea) return study:trial(idea) end)
study:report()
]])
  local args = { script, "--env", engine.env, "--study", dir .. "/s" }
  t.eq(engine.run(args, { fault = "commit.after:9" }).signal, 9)
  t.write(plan, "4")
  local r = engine.run(args)
  t.eq(r.code, 1)
  t.match(r.stderr, "mine%.lua no longer matches its journal: [^\n]*mine%.lua:4 asks for `propose [^\n]*\"n\":4[^\n]*the journal has `propose [^\n]*\"n\":3")
  t.match(r.stderr, "erlua resume")
  t.write(plan, "3")
  r = engine.run(args)
  t.eq(r.code, 0, r.stderr)
  t.eq(counts(dir .. "/s"), "4|4")
  replays(dir .. "/s")
end)

t.test("a journal that the strategy does not ask for any more is told with the recorded line", function()
  local dir = t.tmpdir()
  local plan = t.write(dir .. "/plan", "3")
  local script = t.write(dir .. "/mine.lua", [[
local study = erlua.study(erlua.options { env = "x" })
study:baseline()
local n = tonumber(io.open("]] .. plan .. [["):read("a"))
for i = 1, n do erlua.sleep(0.001) end
for _, idea in ipairs(study:propose { n = 2 }) do if n > 0 then study:trial(idea) end end
]])
  local args = { script, "--env", engine.env, "--study", dir .. "/s" }
  t.eq(engine.run(args, { fault = "commit.after:9" }).signal, 9)
  t.write(plan, "0")
  local r = engine.run(args)
  t.eq(r.code, 1)
  t.match(r.stderr, "no longer matches its journal")
  t.match(r.stderr, "mine%.lua:4")
end)

t.test("a strategy that ends before its journal does is told so", function()
  local dir = t.tmpdir()
  local plan = t.write(dir .. "/plan", "3")
  local script = t.write(dir .. "/mine.lua", [[
local study = erlua.study(erlua.options { env = "x" })
study:baseline()
if io.open("]] .. plan .. [["):read("n") == 0 then return end
for _, idea in ipairs(study:propose { n = 4 }) do study:trial(idea) end
]])
  local args = { script, "--env", engine.env, "--study", dir .. "/s" }
  t.eq(engine.run(args, { fault = "commit.after:14" }).signal, 9)
  t.write(plan, "0")
  local r = engine.run(args)
  t.eq(r.code, 1, r.stderr)
  t.match(r.stderr, "the journal goes on with `job [^\n]*mine%.lua:4")
end)

-- ---- replay --------------------------------------------------------------------------------

t.test("replay is equal for a finished and for a killed study, and detects what was tampered with", function()
  local dir = t.tmpdir()
  local done, killed = dir .. "/done", dir .. "/killed"
  t.eq(engine.run(search { "--study", done }).code, 0)
  half(nil, { "--study", killed })
  replays(done)
  replays(killed)
  t.eq(engine.sql(done, "SELECT count(*), count(DISTINCT job) FROM metrics"), "7|7", "curves")
  local changes = {
    "UPDATE trials SET reward = reward + 1 WHERE id = 3",
    "UPDATE trials SET metrics = '{\"size\":99999}' WHERE id = 4",
    "UPDATE effects SET result = replace(result, '\"exit_code\":0', '\"exit_code\":9') WHERE kind = 'job' AND path = '0.2' AND seq = 1",
    "UPDATE patches SET diff = diff || ' ' WHERE rowid = (SELECT max(rowid) FROM patches)",
  }
  for _, change in ipairs(changes) do
    os.execute("rm -rf " .. t.quote(dir .. "/copy") .. " && cp -r " .. t.quote(done) .. " " .. t.quote(dir .. "/copy"))
    t.eq(engine.sql(dir .. "/copy", change .. "; SELECT changes()"), "1", change)
    local r = engine.run { "replay", dir .. "/copy" }
    t.eq(r.code, 1, change)
    if not r.stderr:find("no longer matches its journal") then
      t.match(r.stderr, "differs from the study in its [^\n]*, line %d+:\n  study: [^\n]*\n  replay: ")
    end
  end
  t.eq(engine.run({ "replay", dir .. "/none" }).code, 1)
  for _, wrong in ipairs { {}, { done, "--kepe", "x" }, { done, killed }, { done, "--keep" } } do
    t.eq(engine.run({ "replay", table.unpack(wrong) }).code, 2, table.concat(wrong, " "))
  end
end)

t.test("replay is equal where the script ended, or left, while others were being woken", function()
  for _, last in ipairs { "", "os.exit(0)", "error('the end')" } do
    local dir = t.tmpdir()
    local script = t.write(dir .. "/mine.lua", [[
local study = erlua.study(erlua.options { env = "x" })
study:baseline()
for i = 1, 5 do erlua.spawn(function()
  local a <close> = setmetatable({}, { __close = function() erlua.sleep(0.001) end })
  erlua.sleep(0.02) erlua.sleep(i)
end) end
erlua.sleep(0.02)
]] .. last)
    local r = engine.run { script, "--env", engine.env, "--study", dir .. "/s" }
    t.eq(r.code, last:find("error") and 1 or 0, r.stderr)
    t.ok(tonumber(engine.sql(dir .. "/s", "SELECT count(*) FROM effects WHERE kind = 'sleep'")) >= 6)
    r = engine.run { "replay", dir .. "/s" }
    t.eq(r.code, last:find("error") and 1 or 0, last .. ": " .. r.stderr)
    t.no_match(r.stderr, "differs")
  end
end)

t.test("a study can be replayed at any moment of its life, also while it runs", function()
  local dir = t.tmpdir() .. "/s"
  local e = engine.start(search({ "--study", dir }, 500))
  t.await("it is there", function() return t.read(dir .. "/study.db") and engine.run({ "replay", dir }).code == 0 end)
  for _ = 1, 6 do replays(dir) end
  t.eq(e.done(), false, e.said())
  engine.signal("TERM", engine.pid(dir))
  t.eq(e.result().code, 3)
  replays(dir)
end)

t.test("replay leaves the study as it was and keeps a copy when asked", function()
  local dir = t.tmpdir() .. "/s"
  half(nil, { "--study", dir })
  local before = engine.sql(dir, "SELECT count(*) FROM effects") .. engine.sql(dir, "SELECT state FROM studies")
  local r = engine.run { "replay", dir, "--keep", dir .. ".copy" }
  t.eq({ r.code, r.stderr }, { 0, "" })
  t.eq(engine.sql(dir, "SELECT count(*) FROM effects") .. engine.sql(dir, "SELECT state FROM studies"), before)
  t.ok(t.read(dir .. ".copy"))
  t.eq(engine.run({ "replay", dir, "--keep", dir .. ".copy" }).code, 1, "never overwrites")
  t.eq(engine.run(search { "--study", dir }).code, 0)
end)

-- ---- signals -----------------------------------------------------------------------------------

-- A study of which two jobs run and wait; its folder, the engine, its pid and how to go on.
local function running()
  local dir = t.tmpdir() .. "/s"
  local env, go_on = engine.gated()
  local args = search({ "--study", dir, "--env", env }, 1)
  local e = engine.start(args)
  local pid = engine.pid(dir)
  t.await("two jobs run", function() return engine.running(dir) == 2 end)
  return dir, e, pid, args, go_on
end

local function finish(dir, args)
  local r = engine.run(args)
  t.eq(r.code, 0, r.stderr)
  t.eq(counts(dir), "4|4")
  t.eq(ls(dir .. "/jobs"), "")
  replays(dir)
end

t.test("Ctrl-C once waits for the running jobs, says how long at most, and is exit 3", function()
  local dir, e, pid, args, go_on = running()
  engine.signal("INT", pid)
  t.await("it says that it waits", function() return e.said():find("nothing new starts") end)
  t.eq({ e.done(), engine.running(dir) }, { false, 2 }, "it waits")
  go_on()
  local r = e.result()
  t.eq(r.code, 3, r.stderr)
  t.match(r.stderr, "nothing new starts; waiting for 2 running jobs for up to %d+ s more")
  t.match(r.stderr, "erlua resume " .. dir:gsub("%p", "%%%0"))
  engine.gone(dir)
  finish(dir, args)
  t.eq(engine.sql(dir, "SELECT max(starts), min(starts) FROM jobs"), "1|1", "and were not run again")
end)

t.test("Ctrl-C twice ends the running jobs; their trials stay open and resume runs them", function()
  local dir, e, pid, args, go_on = running()
  engine.signal("INT", pid)
  t.await("it has seen the first", function() return e.said():find("nothing new starts") end)
  engine.signal("INT", pid)
  local r = e.result()
  t.eq(r.code, 3, r.stderr)
  t.match(r.stderr, "ending 2 running jobs; their trials stay open")
  engine.gone(dir)
  t.ok(tonumber(engine.sql(dir, "SELECT count(*) FROM trials WHERE outcome IS NULL")) >= 2)
  go_on()
  finish(dir, args)
end)

t.test("SIGTERM and SIGHUP: the engine leaves at once, its jobs go on and are adopted", function()
  for _, name in ipairs { "TERM", "HUP" } do
    local dir, e, pid, args, go_on = running()
    engine.signal(name, pid)
    local r = e.result()
    t.eq(r.code, 3, name .. ": " .. r.stderr)
    t.eq(engine.running(dir), 2, "the jobs go on")
    t.ok(engine.processes(dir) ~= "", "the jobs go on")
    go_on()
    finish(dir, args)
    t.eq(engine.sql(dir, "SELECT max(starts), min(starts) FROM jobs"), "1|1", name .. ": adopted, not run again")
  end
end)

t.test("a hang-up is ignored under nohup", function()
  local dir = t.tmpdir()
  local e = erlua.spawn(erlua.exec, { "/bin/sh", "-c", "trap '' HUP; exec \"$@\"", timeout = 600, "sh", t.erlua,
    table.unpack(search({ "--study", dir .. "/s", "--preset", "slow" }, 1)) })
  engine.signal("HUP", engine.pid(dir .. "/s"))
  local _, r = e:wait()
  t.eq(r.code, 0, r.stderr)
end)

local function endless(body)
  local dir = t.tmpdir()
  local script = t.write(dir .. "/endless.lua", [[
local study = erlua.study(erlua.options { env = "x" })
local function forever() io.stderr:write("in the loop\n") while true do end end
study:baseline()
local ideas = study:propose { n = 2 }
erlua.spawn(function() study:trial(ideas[1]) end)
erlua.sleep(0.001)
]] .. body)
  local args = { script, "--env", engine.env, "--study", dir .. "/s", "--preset", "slow" }
  local e = engine.start(args)
  local pid = engine.pid(dir .. "/s")
  t.await("the loop is reached", function() return e.said():find("in the loop\n", 1, true) end)
  return dir .. "/s", e, pid
end

-- Gives the loops of the study's own script an end.
local function heal(dir)
  for from, to in pairs { ["while true do end"] = "do return 1 end", ["while true do p"] = "for _ = 1, 2 do p", ["while true do x"] = "for _ = 1, 2 do x" } do
    engine.sql(dir, "UPDATE snapshot SET bytes = CAST(replace(CAST(bytes AS TEXT), '" .. from .. "', '" .. to .. "') AS BLOB) WHERE kind = 'script'")
  end
end

t.test("a strategy in an endless loop can be interrupted, whatever stands around the loop", function()
  local bodies = { "forever()", "while true do pcall(forever) end", "while true do xpcall(forever, print) end",
    "coroutine.wrap(function() while true do pcall(forever) end end)()", "table.sort({ 2, 1 }, function() forever() end)",
    "for _ in erlua.each({ 1, 2 }, function(i) erlua.sleep(i == 1 and 0 or 0.5) end) do forever() end",
    "erlua.once(forever)", "pcall(erlua.once, function() while true do pcall(forever) end end)" }
  erlua.map(bodies, function(body)
    local dir, e, pid = endless(body)
    engine.signal("INT", pid)
    local r = e.result()
    t.eq(r.code, 3, body .. ": " .. r.stderr)
    -- Nothing of the interruption is in the journal: with a loop that ends it goes on.
    t.eq(engine.sql(dir, "SELECT count(*) FROM effects WHERE kind IN ('once', 'cancel')"), "0", body)
    heal(dir)
    r = engine.run { "resume", dir }
    t.eq(r.code, 0, body .. ": " .. r.stderr)
    t.eq(engine.sql(dir, "SELECT max(starts) FROM jobs"), "1", body)
  end, { parallel = 4 })
end)

t.test("SIGTERM breaks into an endless loop too and leaves the jobs alone", function()
  local dir, e, pid = endless("for _ in erlua.each({ 1, 2 }, function(i) if i == 2 then study:trial(ideas[2]) end end) do forever() end")
  engine.signal("TERM", pid)
  t.eq(e.result().code, 3)
  t.eq(engine.sql(dir, "SELECT count(*) FROM effects WHERE kind = 'cancel'"), "0")
  heal(dir)
  local r = engine.run { "resume", dir }
  t.eq(r.code, 0, r.stderr)
  t.eq(engine.sql(dir, "SELECT max(starts) FROM jobs"), "1")
  t.eq(engine.sql(dir, "SELECT outcome FROM trials WHERE id = 3"), "ok")
end)

t.test("Ctrl-C in a script without a study ends it with 130, in a loop and in a wait", function()
  for _, body in ipairs { "while true do pcall(function() while true do end end) end", "erlua.sleep(60)" } do
    local dir = t.tmpdir()
    local script = t.write(dir .. "/s.lua", "local f = io.open('" .. dir .. "/ready', 'w') f:close() " .. body)
    local pid_file = dir .. "/pid"
    local e = erlua.spawn(erlua.exec, { "/bin/sh", "-c", "echo $$ > " .. pid_file .. "; exec " .. t.erlua .. " " .. script, timeout = 600 })
    t.await("it runs", function() return t.read(dir .. "/ready") end)
    erlua.sleep(0.05)
    engine.signal("INT", t.read(pid_file):match("%d+"))
    local _, r = e:wait()
    t.eq(r.code, 130, body .. ": " .. r.stderr)
  end
end)

t.test("a task that keeps all others waiting for over a second is named in a warning", function()
  local dir = t.tmpdir()
  local script = t.write(dir .. "/busy.lua", [[
local study = erlua.study(erlua.options { env = "x" })
local function read() local f = io.open("]] .. dir .. [[/stderr") local text = f:read("a") f:close() return text end
local function busy() repeat until read():find("has not waited", 1, true) end
erlua.spawn(function() busy() end):wait()
]])
  local r = engine.run({ script, "--env", engine.env, "--study", dir .. "/s" }, { slow = true, stderr = dir .. "/stderr" })
  t.eq(r.code, 0, r.stderr)
  t.match(r.stderr, "task 0%.1 has not waited for over a second, at [^\n]*busy%.lua:[23]")
end)

-- ---- files that cannot be used ----------------------------------------------------------------------

-- Every command that opens the study says why it cannot, and exits 1.
local function refused(dir, pattern)
  for _, args in ipairs { search { "--study", dir }, { "resume", dir }, { "replay", dir }, { "trials", dir, "--json" }, { "report", dir } } do
    local r = engine.run(args)
    t.eq({ r.code, r.signal }, { 1, 0 }, args[1] .. ": " .. r.stderr)
    t.match(r.stderr, pattern)
    t.no_match(r.stderr, "traceback")
  end
end

t.test("a study file that is no database, or another program's, is refused by every command", function()
  local dir = t.tmpdir()
  t.write(dir .. "/study.db", ("not a database at all\n"):rep(200))
  refused(dir, "is not a study file")
  t.eq(t.read(dir .. "/study.db"), ("not a database at all\n"):rep(200))
  local other = t.tmpdir()
  assert(erlua.exec { "sqlite3", other .. "/study.db", "CREATE TABLE mine(x); PRAGMA user_version = 1" })
  refused(other, "not a study of erlua")
end)

t.test("a study file of a newer erlua is refused and left as it is", function()
  local dir = t.tmpdir() .. "/s"
  half(nil, { "--study", dir })
  local version = engine.sql(dir, "PRAGMA user_version")
  engine.sql(dir, "PRAGMA user_version = 999")
  refused(dir, "newer erlua")
  t.eq(engine.sql(dir, "PRAGMA user_version"), "999")
  engine.sql(dir, "PRAGMA user_version = " .. version)
  t.eq(engine.run(search { "--study", dir }).code, 0)
end)

t.test("a damaged study file is refused with what may help", function()
  local dir = t.tmpdir() .. "/s"
  t.eq(engine.run(search { "--study", dir }).code, 0)
  local bytes = t.read(dir .. "/study.db")
  t.write(dir .. "/study.db", bytes:sub(1, 4096) .. ("\xa5"):rep(#bytes - 4096))
  refused(dir, "damaged")
  t.write(dir .. "/study.db", bytes:sub(1, #bytes // 2))
  refused(dir, "damaged")
  t.write(dir .. "/study.db", bytes)
  replays(dir)
end)

t.test("an empty file or folder in its place is begun, a folder that cannot be written is refused", function()
  local dir = t.tmpdir()
  os.execute("mkdir " .. dir .. "/empty && : > " .. dir .. "/empty/study.db && : > " .. dir .. "/file")
  t.eq(engine.run(search({ "--study", dir .. "/empty" }, 1)).code, 0)
  local r = engine.run(search { "--study", dir .. "/file/s" })
  t.eq(r.code, 1)
  t.match(r.stderr, "file/s[^\n]*Not a directory")
  t.no_match(r.stderr, "traceback")
  r = engine.run(search { "--study", "/proc/erlua-study" })
  t.eq(r.code, 1)
  t.match(r.stderr, "/proc/erlua%-study")
  r = engine.run(search(), { cwd = "/proc/self" })
  t.eq(r.code, 1)
  t.match(r.stderr, "studies")
end)

-- A folder that is a small disk of its own; unmounted when the test ends.
local function small_disk(size)
  local dir = t.tmpdir()
  local r = assert(erlua.exec { "mount", "-t", "tmpfs", "-o", "size=" .. size, "erlua-test", dir })
  if r.code ~= 0 then t.skip("tmpfs cannot be mounted here: " .. r.stderr:gsub("\n.*", "")) end
  return dir, setmetatable({}, { __close = function() os.execute("umount -l " .. t.quote(dir)) end })
end

t.test("a full disk is a clear message and exit 1, and the study goes on once there is room", function()
  local dir, unmount <close> = small_disk("8m")
  local args, r = search({ "--study", dir .. "/s" }, 12), nil
  repeat                                  -- again where it had ended before there was no room left
    os.execute("rm -rf " .. t.quote(dir) .. "/*")
    local e = engine.start(args)
    t.await("five trials are done", function()
      local ok, n = pcall(engine.sql, dir .. "/s", "SELECT count(*) FROM trials WHERE outcome IS NOT NULL")
      return ok and tonumber(n) >= 5
    end)
    os.execute("cat /dev/zero > " .. t.quote(dir .. "/filler") .. " 2>/dev/null")
    r = e.result()
  until r.code ~= 0
  t.eq({ r.code, r.signal }, { 1, 0 }, r.stderr)
  t.match(r.stderr, "disk is full")
  t.no_match(r.stderr, "traceback")
  os.remove(dir .. "/filler")
  t.eq(engine.sql(dir .. "/s", "PRAGMA integrity_check"), "ok")
  r = engine.run(args)
  t.eq(r.code, 0, r.stderr)
  t.eq(counts(dir .. "/s"), "37|37")
  replays(dir .. "/s")
end)

t.test("a job that failed for want of room is no trial's failure, though a little has become free since", function()
  local dir, unmount <close> = small_disk("8m")
  local args = search({ "--study", dir .. "/s", "--preset", "roomy", "--slots", "1" }, 1)
  local r = engine.run(args)
  t.eq({ r.code, r.signal }, { 1, 0 }, r.stderr)
  t.match(r.stderr, "disk is full")
  t.eq(engine.sql(dir .. "/s", "SELECT count(outcome) FROM trials"), "0")
  assert(os.execute("mount -o remount,size=64m " .. t.quote(dir)))
  r = engine.run(args)
  t.eq(r.code, 0, r.stderr)
  t.eq(counts(dir .. "/s"), "4|4")
  replays(dir .. "/s")
end)

-- Its trials as they were left on a disk that was full for a while, and then has room.
local function with_room(dir, args)
  assert(os.execute("mount -o remount,size=64m " .. t.quote(dir)))
  local r = engine.run(args)
  t.eq(r.code, 0, r.stderr)
  t.eq(engine.sql(dir .. "/s", "SELECT count(*) FROM trials WHERE reward < 20"), "0")
  t.eq(counts(dir .. "/s"), "4|4")
  replays(dir .. "/s")
end

t.test("a job that ended well, and found the disk full on the way, is not believed", function()
  local dir, unmount <close> = small_disk("8m")
  local args = search({ "--study", dir .. "/s", "--preset", "careless", "--slots", "1" }, 1)
  local r = engine.run(args)
  t.eq({ r.code, r.signal }, { 1, 0 }, r.stderr)
  t.match(r.stderr, "disk is full")
  with_room(dir, args)
end)

t.test("nor is one that ended so while no engine was there", function()
  local dir, unmount <close> = small_disk("8m")
  local args = search({ "--study", dir .. "/s", "--preset", "careless", "--slots", "1" }, 1)
  repeat                                  -- again where the job had ended before the engine could be killed
    os.execute("rm -rf " .. t.quote(dir) .. "/*")
    local e = engine.start(args)
    local pid = engine.pid(dir .. "/s")
    t.await("the disk is full", function()
      local r = erlua.exec { "df", "--output=avail", dir }
      return e.done() or r and r.stdout:match("(%d+)%s*$") == "0"
    end)
    os.execute("kill -KILL " .. pid .. " 2>/dev/null")
  until e.result().signal == 9
  t.await("the job has ended", function() return os.execute("ls " .. dir .. "/s/jobs/*/exit >/dev/null 2>&1") end)
  with_room(dir, args)
end)

t.test("a snapshot file that was half written when the engine died is written again", function()
  local dir = t.tmpdir() .. "/s"
  half(nil, { "--study", dir })
  t.write(dir .. "/snapshot/program.lua", "")
  local r = engine.run(search { "--study", dir })
  t.eq(r.code, 0, r.stderr)
  t.ok(#t.read(dir .. "/snapshot/program.lua") > 0)
end)

return t
