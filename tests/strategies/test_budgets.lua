-- Budgets of a whole study: time that passes while jobs run or scripts sleep, and GPUs by what each job asked for.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local noisy = dofile(t.source .. "/tests/lib/noisy.lua")(t)
local engine = dofile(t.source .. "/tests/lib/engine.lua")(t)

-- An environment whose training goes on until there is a file `go`, and a folder for both.
local function waiting()
  local dir = t.tmpdir()
  t.cleanup(function() t.write(dir .. "/go", "") end)
  t.write(dir .. "/env/env.lua", ([[return { name = "slow", editable = { "idea.lua" }, metric = "score", direction = "max",
    train = { "sh", "-c", "until test -e %s/go; do sleep 0.02; done; echo 1 > $ERLUA_OUT/a" },
    evaluate = { "sh", "-c", 'echo "{\\"score\\": 1}" > $ERLUA_METRICS' } }]]):format(dir))
  t.write(dir .. "/env/idea.lua", "return 1.5\n")
  return dir
end

-- Starts a study there; what it prints on stderr goes to a file.
local function start(dir, wall, ...)
  local words = { "exec", t.quote(t.erlua), ... }
  words[#words + 1] = "--env env --study s --no-sandbox --budget wall=" .. wall .. " 2> err"
  return erlua.spawn(erlua.exec, { "sh", "-c", table.concat(words, " "), cwd = dir, timeout = 600 })
end

local function said(dir, pattern)
  t.await("it says " .. pattern, function() return (t.read(dir .. "/err") or ""):find(pattern) end)
end

t.test("time that is spent while a job runs is said at once; nothing new starts, and what runs is kept", function()
  local dir = waiting()
  local running = start(dir, "4s", t.quote(t.source .. "/lua/strategies/bestofn.lua"), "--epochs 1 --batch 3 --repeats 1 --confirm 0 --slots 1")
  said(dir, "the budget is spent: %S+ of 4%.0s%. Raise %-%-budget and go on; 1 running job goes on to the end")
  t.eq(running:done(), false)
  t.write(dir .. "/go", "")
  local _, r = running:wait()
  t.eq({ r.code, r.signal }, { 3, 0 }, t.read(dir .. "/err"))
  t.match(t.read(dir .. "/err"), "the budget is spent: %S+ of 4%.0s%. Raise %-%-budget and go on; go on with: erlua resume ")
  t.match(r.stdout, "\nFunnel\n", "its report")
  t.eq(engine.sql(dir .. "/s", "SELECT id, stage, ended FROM jobs WHERE ended IS NOT NULL"), "1|train|exit", "the evaluation does not begin")
  r = engine.run({ "resume", "s" }, { cwd = dir })
  t.eq(r.code, 3, "the time is still spent")
  r = engine.run({ "resume", "s", "--budget", "wall=1h" }, { cwd = dir })
  t.eq(r.code, 0, r.stderr)
  t.eq(engine.sql(dir .. "/s", "SELECT count(*), sum(outcome = 'ok') FROM trials"), "4|4")
  t.eq(engine.sql(dir .. "/s", "SELECT count(*) FROM jobs WHERE starts <> 1"), "0")
  t.eq(engine.run({ "replay", dir .. "/s" }).code, 0)
end)

t.test("a script that sleeps or waits with a timeout is ended by the clock, and sleeps on when it is resumed", function()
  local dir = waiting()
  t.write(dir .. "/go", "")
  t.write(dir .. "/sleeps.lua", [[
    local study = erlua.study(erlua.options { env = "" })
    study:baseline()
    erlua.timeout(1000, function() erlua.sleep(600) end)
    return study:report()
  ]])
  local _, r = start(dir, "1s", "sleeps.lua"):wait()
  t.eq(r.code, 3, t.read(dir .. "/err"))
  t.match(t.read(dir .. "/err"), "the budget is spent: %S+ of 1%.0s")
  t.match(r.stdout, "\nFunnel\n")
  t.eq(engine.sql(dir .. "/s", "SELECT count(*) FROM effects WHERE kind IN ('sleep', 'timeout')"), "0", "none of them is over")
end)

t.test("time that is not spent does not keep a study from its end", function()
  local dir = waiting()
  t.write(dir .. "/go", "")
  local r = engine.run({ t.source .. "/lua/strategies/bestofn.lua", "--env", "env", "--study", "s", "--no-sandbox", "--budget", "wall=1h", "--epochs", "1",
    "--batch", "1" }, { cwd = dir })
  t.eq(r.code, 0, r.stderr)
end)

t.test("GPU-hours count what each job asked for, also at another scale, and over all engines", function()
  local plan = { repeats = 1, epochs = { { noisy.answer(510), noisy.answer(520) } } }
  local dir = noisy.make(plan, { fields = { limits = '{ wall = "20s", gpus = 1 }', presets = "{ wide = { limits = { gpus = 3 } } }" } })
  local function run(budget, scale)
    return engine.run(noisy.args(dir, plan, "--budget", budget, "--generalize", scale), { env = { CUDA_VISIBLE_DEVICES = "0,1,2" } })
  end
  local function used(r) return tonumber(r.stderr:match(".*[ ;](%S+) GPU%-hours/500")) end
  local function sum(where) return tonumber(engine.sql(dir .. "/study", "SELECT coalesce(sum(wall_s), 0) / 3600 FROM jobs WHERE " .. where)) end
  local r = run("gpu_hours=500 jobs=8", "wide")                    -- six of the search, two of the other scale
  t.eq(r.code, 3, r.stderr)
  t.ok(sum "rerun IS NOT NULL" > 0)
  r = run("gpu_hours=500", "wide")
  t.eq(r.code, 0, r.stderr)
  t.near(used(r), sum "rerun IS NULL" + 3 * sum "rerun IS NOT NULL", 0.01 * used(r))
end)

return t
