-- erlua env: checking an environment, showing it, running its baseline.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local json = require("erlua.json")

local GOOD = [[
return { name = "tiny", editable = { "number.txt" }, data = { "hidden.txt" },
  train = { "/bin/sh", "-c", "cp number.txt $ERLUA_OUT/; echo '{\"step\":1,\"loss\":3}' >> $ERLUA_CURVE; echo trained" },
  evaluate = { "/bin/sh", "-c", "printf '{\"n\":%s}' \"$(cat $ERLUA_OUT/number.txt)\" > $ERLUA_METRICS" },
  metric = "n", direction = "min", limits = { wall = "20s" },
  presets = { broken = { evaluate = { "/bin/sh", "-c", "echo line one; echo the cause >&2; exit 3" } }, other = { limits = { wall = "5s" } } } }
]]

local function folder(env_lua)
  local dir = t.tmpdir()
  t.write(dir .. "/env.lua", env_lua or GOOD)
  t.write(dir .. "/number.txt", "42\n")
  t.write(dir .. "/hidden.txt", "secret\n")
  return dir
end

-- Runs erlua env with a temporary folder of its own, and checks that nothing stays there.
local function env(args, opts)
  local tmp = t.tmpdir()
  opts = opts or {}
  opts.env = opts.env or {}
  opts.env.TMPDIR = tmp
  local r = t.run({ t.erlua, "env", table.unpack(args) }, opts)
  t.eq(t.run({ "ls", "-A", tmp }).out, "", "nothing is left in the temporary folder")
  return r
end

t.test("a good environment is shown and its baseline run", function()
  local r = env { folder() }
  t.eq(r.code, 0, r.err)
  t.match(r.out, "^tiny\nfrom +%S+\neditable  number%.txt %(3 B%)\nfrozen    env%.lua %(%d+ B%)\ndata      hidden%.txt %(7 B%)\n")
  t.match(r.out, "\nmetric    n, the lower the better; reward: minus the metric\n")
  t.match(r.out, "\nlimits    wall 20s, ")
  t.match(r.out, "\npresets   broken, other\n")
  t.match(r.out, "\n\nBaseline\noutcome   ok\nreward    %-42\n\nMetrics\n  n  42\n\nCurves\n  loss: 3 to 3, 1 point\n")
  t.match(r.out, "\nTrain\n  exit code 0 after %d%.%d%ds[^\n]*\n\nEvaluate\n  exit code 0 after ")
end)

t.test("--json is one document with what was shown and the trial", function()
  local r = env { folder(), "--json" }
  t.eq({ r.code, r.err }, { 0, "" })
  local d = t.ok(json.decode(r.out))
  t.eq({ d.name, d.metric, d.direction, d.reward_function, d.limits.wall }, { "tiny", "n", "min", false, 20 })
  t.eq(d.editable, { { path = "number.txt", bytes = 3 } })
  t.eq({ d.baseline.outcome, d.baseline.reward, d.baseline.metrics }, { "ok", -42.0, { n = 42 } })
end)

t.test("a failing baseline is exit 1 with stage, reason and the last lines of the log", function()
  local r = env { folder(), "--preset", "broken" }
  t.eq(r.code, 1)
  t.match(r.out, "\noutcome   crash at evaluate\nreason    exit code 3: the cause\n")
  t.match(r.out, "\nEvaluate\n  exit code 3 [^\n]*\n  the cause\n")
  local d = t.ok(json.decode(env({ folder(), "--preset", "broken", "--json" }).out))
  t.eq({ d.preset, d.baseline.outcome, d.baseline.reward }, { "broken", "crash", json.null })
end)

t.test("--no-run only shows", function()
  local dir = folder((GOOD:gsub("echo trained", "echo trained > " .. t.tmpdir() .. "/ran")))
  local r = env { dir, "--no-run" }
  t.eq({ r.code, r.err }, { 0, "" })
  t.no_match(r.out, "Baseline")
  t.eq(t.ok(json.decode(env({ dir, "--no-run", "--json" }).out)).baseline, json.null)
end)

t.test("--study keeps the run as a study that erlua trials reads", function()
  local dir = t.tmpdir() .. "/kept"
  t.eq(env({ folder(), "--study", dir }).code, 0)
  local all = t.ok(json.decode(t.run({ t.erlua, "trials", dir, "--json" }).out))
  t.eq({ #all, all[1].idea, all[1].parents, all[1].outcome, all[1].reward }, { 1, "baseline", {}, "ok", -42.0 })
  local again = env { folder(), "--study", dir }
  t.eq(again.code, 1)
  t.match(again.err, "kept exists; choose another %-%-study")
end)

t.test("the commands run in the sandbox, and outside it with --no-sandbox", function()
  local mark = t.tmpdir() .. "/mark"
  local dir = folder((GOOD:gsub("echo trained", "touch " .. mark .. " || true")))
  env { dir }
  t.eq(t.read(mark), nil)
  local r = env { dir, "--no-sandbox" }
  t.eq(r.code, 0, r.err)
  t.eq(t.read(mark), "")
  t.match(r.err, "no sandbox: the jobs can read and write all that you can")
end)

t.test("a wrong env.lua is exit 1 and the message names the file and the field", function()
  for message, text in pairs {
    ["field 'metric' is missing"] = 'return { name = "x", editable = { "number.txt" }, train = { "a" }, evaluate = { "b" }, direction = "min" }',
    ["field 'limits%.wall' is not a time"] = GOOD:gsub('wall = "20s"', 'wall = "20x"'),
    ["editable'? matches no file"] = GOOD:gsub("editable = { \"number.txt\" }", 'editable = { "nothing.lua" }'),
    ["env.lua must return a table"] = "return 1",
    ["env.lua:2:"] = "return {\n name = = }",
  } do
    local r = env { folder(text) }
    t.eq({ r.code, r.out }, { 1, "" }, message)
    t.match(r.err, message)
    t.no_match(r.err, "traceback")
  end
end)

t.test("a name that there is not comes with the nearest one, or with all there are", function()
  local dir = t.tmpdir()
  local function said(...) return t.run({ t.erlua, ... }, { cwd = dir }).err end
  t.match(said("env", "circle_paking"), "did you mean circle_packing%?\n")
  t.match(said("env", "something"), "; there are circle_packing, nanogpt")
  t.match(said("env", "nanogpt", "--preset", "smal", "--no-run"), "there is no preset 'smal'; did you mean small%?\n")
  t.match(said("env", "nanogpt", "--preset", "enormous", "--no-run"), "; there are 124m, small, tiny\n")
  t.match(said("run", "evolv"), "there is no script 'strategies/evolv%.lua'[^\n]*; did you mean evolve%?\n")
  t.match(said("run", "anneal"), "; there are bestofn, evolve, execution_rate\n")
  t.write(dir .. "/strategies/mine.lua", "")
  t.write(dir .. "/envs/own/env.lua", "")
  t.match(said("run", "anneal"), "evolve, execution_rate, mine\n")
  t.match(said("env", "something"), "nanogpt, own\n")
end)

t.test("an environment or a preset that is not there is exit 1, a wrong command line exit 2", function()
  t.match(env({ "no-such-environment" }).err, "there is no environment 'no%-such%-environment'")
  t.eq(env({ "no-such-environment" }).code, 1)
  local r = env { folder(), "--preset", "none" }
  t.eq(r.code, 1)
  t.match(r.err, "there is no preset 'none'")
  t.eq(env({}).code, 2)
  t.eq(env({ folder(), "--norun" }).code, 2)
  t.match(env({ folder(), "--norun" }).err, "did you mean %-%-no%-run%?")
  t.match(env({ "--help" }).out, "^usage: erlua env")
end)

return t
