-- erlua trials: listing, sorting, showing and printing the diffs of a real small study.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local terminal = dofile(t.source .. "/tests/lib/terminal.lua")
local json = require("erlua.json")
local core = require("erlua.core.study")
local fs = require("erlua.core.fs")

local home                                    -- the folder that the study was made in

local function erlua(args, opts)
  opts = opts or {}
  opts.cwd = opts.cwd or home
  return t.run({ t.erlua, table.unpack(args) }, opts)
end

-- One study for all tests that only read: studies/bestofn-circle_packing below home.
local function study()
  if home then return "studies/bestofn-circle_packing" end
  home = t.tmpdir()
  local r = erlua { "strategies/bestofn.lua", "--env", "circle_packing", "--confirm", "0", "--epochs", "1", "--batch", "6" }
  t.eq(r.code, 0, r.err)
  return "studies/bestofn-circle_packing"
end

-- A copy in a folder of its own, for tests that write.
local function copy()
  local name, dir = study(), t.tmpdir()
  t.eq(t.run({ "cp", "-r", home .. "/" .. name, dir .. "/s" }).code, 0)
  return dir .. "/s"
end

local function change(dir, table_name, row)
  local store = t.ok(core.open(dir .. "/study.db", "write"))
  t.ok(store:change(table_name, row))
  t.ok(store:commit())
  store:close()
end

local function list(...)
  local r = erlua { "trials", study(), "--json", ... }
  t.eq(r.code, 0, r.err)
  return t.ok(json.decode(r.out))
end

local function ids(trials)
  local out = {}
  for i, x in ipairs(trials) do out[i] = x.id end
  return out
end

-- What a terminal of so many columns gets.
local function on_terminal(columns, args, env) return terminal.shows(t, columns, args, { cwd = home, env = env }) end

t.test("without options all trials stand in a table, the baseline first", function()
  local r = erlua { "trials", study() }
  t.eq({ r.code, r.err }, { 0, "" })
  t.match(r.out, "^id  epoch  outcome +reward +wall  idea\n 1      0  ok +%d%S+ +%S+  baseline\n")
  local _, lines = r.out:gsub("\n", "")
  t.eq(lines, 8)
end)

t.test("--json is an array of trials with every promised field", function()
  local all = list()
  t.eq(ids(all), { 1, 2, 3, 4, 5, 6, 7 })
  for _, x in ipairs(all) do
    for _, name in ipairs { "id", "epoch", "idea", "parents", "outcome", "stage", "reason", "reward", "metrics", "patch", "wall_s" } do
      t.ok(x[name] ~= nil, "trial " .. x.id .. " has " .. name)
    end
    t.eq(x.outcome == "ok", x.reward ~= json.null, "a reward if and only if it ended well")
  end
  t.eq({ all[1].idea, all[1].parents, all[1].epoch, all[1].reason }, { "baseline", {}, 0, json.null })
  t.eq(all[1].metrics.sum_radii, all[1].reward)
end)

t.test("an open trial has a null outcome, and --outcome open finds it", function()
  local dir = copy()
  change(dir, "trials", { id = 3, outcome = json.null, stage = json.null, reason = json.null, reward = json.null,
    metrics = json.null, patch = json.null, wall_s = json.null, done = json.null })
  local r = erlua { "trials", dir, "--json", "--outcome", "open" }
  local open = t.ok(json.decode(r.out))
  t.eq(ids(open), { 3 })
  for _, name in ipairs { "outcome", "stage", "reason", "reward", "metrics", "patch", "wall_s" } do t.eq(open[1][name], json.null, name) end
  t.match(erlua({ "trials", dir, "show", "3" }).out, "outcome   open: it has not ended yet\n")
end)

t.test("--sort reward puts the best first and those without a reward last", function()
  local sorted, last = list("--sort", "reward"), math.huge
  for _, x in ipairs(sorted) do
    local r = x.reward ~= json.null and x.reward or -math.huge
    t.ok(r <= last, "rewards fall")
    last = r
  end
  t.eq(ids(list("--sort", "reward", "--top", "2")), { sorted[1].id, sorted[2].id })
end)

t.test("--reverse turns an order round, and trials without the value still come last", function()
  t.eq(ids(list("--reverse")), { 7, 6, 5, 4, 3, 2, 1 })
  t.eq(ids(list("--sort", "epoch", "--reverse")), { 2, 3, 4, 5, 6, 7, 1 })
  local dir = copy()
  change(dir, "trials", { id = 2, reward = json.null })
  local r = erlua { "trials", dir, "--json", "--sort", "reward", "--reverse" }
  local got = t.ok(json.decode(r.out))
  t.eq(got[#got].reward, json.null)
  t.ok(got[1].reward ~= json.null and got[1].reward <= got[2].reward, "the worst reward first")
end)

t.test("--outcome keeps those that ended so, and says so when there are none", function()
  for _, x in ipairs(list("--outcome", "ok")) do t.eq(x.outcome, "ok") end
  local r = erlua { "trials", study(), "--outcome", "oom" }
  t.eq({ r.code, r.out }, { 0, "no trial ended so\n" })
  t.eq(erlua({ "trials", study(), "--outcome", "oom", "--json" }).out, "[]\n")
end)

t.test("show prints outcome, reward, idea, metrics, the curve, both jobs and the diff", function()
  local best = list("--sort", "reward", "--top", "1")[1]
  local r = erlua { "trials", study(), "show", tostring(best.id) }
  t.eq({ r.code, r.err }, { 0, "" })
  t.match(r.out, "^Trial " .. best.id .. ", epoch " .. best.epoch .. "\noutcome   ok\nreward    ")
  t.match(r.out, "\nMetrics\n  sum_radii  %d")
  t.match(r.out, "\nCurves\n  sum: ")
  t.match(r.out, "[▁▂▃▄▅▆▇█]")
  t.match(r.out, "\nTrain\n  exit code 0")
  t.match(r.out, "\nEvaluate\n  exit code 0")
end)

t.test("show says at which stage a trial failed and why, with its job's last lines; --log has all of them", function()
  local dir = copy()
  local lines = {}
  for i = 1, 40 do lines[i] = "line " .. i end
  change(dir, "trials", { id = 2, outcome = "crash", stage = "train", reason = "exit code 1: line 40", reward = json.null })
  local store = t.ok(core.open(dir .. "/study.db", "read"))
  local id = store:query("jobs_of_trial", 2)[1].id
  store:close()
  change(dir, "jobs", { id = id, log = table.concat(lines, "\n") .. "\n" })
  local short = erlua({ "trials", dir, "show", "2" }).out
  t.match(short, "outcome   crash at train\nreason    exit code 1: line 40\n")
  t.match(short, "  … 28 lines before\n  line 29\n")
  t.match(short, "  line 40\n")
  t.no_match(short, "  line 28\n")
  t.match(erlua({ "trials", dir, "show", "2", "--log" }).out, "  line 1\n  line 2\n")
end)

t.test("show --json has the jobs, the curves and the diff", function()
  local r = erlua { "trials", study(), "show", "1", "--json" }
  local one = t.ok(json.decode(r.out))
  t.eq({ one.id, one.diff, #one.jobs, one.jobs[1].stage, one.jobs[2].stage }, { 1, "", 2, "train", "evaluate" })
  t.eq(one.curves[1].name, "sum")
  t.eq(#one.curves[1].values, #one.curves[1].steps)
end)

t.test("diff prints the stored bytes, which patch applies to the environment", function()
  local best = list("--sort", "reward", "--top", "1", "--outcome", "ok")[1]
  if best.idea == "baseline" then best = list("--outcome", "ok", "--reverse")[1] end
  local r = erlua { "trials", study(), "diff", tostring(best.id) }
  t.eq({ r.code, r.err }, { 0, "" })
  t.eq(fs.sha256(r.out), best.patch)
  local dir = t.tmpdir()
  t.eq(t.run({ "cp", t.source .. "/envs/circle_packing/pack.lua", dir }).code, 0)
  local applied = t.run({ "patch", "-p1" }, { cwd = dir, stdin = r.out })
  t.eq(applied.code, 0, applied.out .. applied.err)
  t.ok(t.read(dir .. "/pack.lua") ~= t.read(t.source .. "/envs/circle_packing/pack.lua"), "it changed the file")
end)

t.test("diff of the baseline is empty, and of an idea that was not applied an error", function()
  t.eq(erlua({ "trials", study(), "diff", "1" }).out, "")
  local dir = copy()
  change(dir, "trials", { id = 2, outcome = "refused", stage = "patch", patch = json.null, reward = json.null })
  local r = erlua { "trials", dir, "diff", "2" }
  t.eq({ r.code, r.out }, { 1, "" })
  t.match(r.err, "trial 2 has no patch: its idea was not applied")
end)

t.test("bad UTF-8, NUL and control characters reach neither the terminal nor the JSON", function()
  local dir = copy()
  change(dir, "ideas", { id = 2, text = "a\0b\27[2Jc\255d\ne\194\155f" })
  local store = t.ok(core.open(dir .. "/study.db", "read"))
  local id = store:query("jobs_of_trial", 2)[1].id
  store:close()
  change(dir, "jobs", { id = id, log = "x\27]0;title\7y\255\0z\n" })
  for _, args in ipairs { { "trials", dir }, { "trials", dir, "show", "2" }, { "trials", dir, "show", "2", "--log" } } do
    local r = erlua(args)
    t.eq(r.code, 0, r.err)
    t.no_match(r.out, "[%z\1-\9\11-\31\127\255]")
    t.ok(utf8.len(r.out), "the output is UTF-8")
    t.no_match(r.out, "\194\155")
  end
  local all = t.ok(json.decode(erlua({ "trials", dir, "--json" }).out))
  t.match(all[2].idea, "c\u{FFFD}d\ne")
end)

t.test("on a terminal of 40 columns no line of the list or of a trial is longer", function()
  local name = study()
  for _, args in ipairs { { "trials", name }, { "trials", name, "show", "2" }, { "trials", name, "show", "1" } } do
    local out = on_terminal(40, args, { NO_COLOR = "1" })
    for line in out:gmatch("[^\n]+") do t.ok(utf8.len(line) <= 40, line) end
  end
  t.match(on_terminal(40, { "trials", name }, { NO_COLOR = "1" }), "^id  outcome +reward")
end)

t.test("without STUDY the only one here is meant, and of several one must be named", function()
  local name = study()
  t.eq(erlua({ "trials" }).out, erlua({ "trials", name }).out)
  t.match(erlua({ "trials", "show", "1" }).out, "^Trial 1, epoch 0\n")
  local dir = t.tmpdir()
  local none = erlua({ "trials" }, { cwd = dir })
  t.eq({ none.code, none.out }, { 2, "" })
  t.match(none.err, "there is no study below %./studies here")
  t.eq(t.run({ "mkdir", dir .. "/studies" }).code, 0)
  for _, to in ipairs { "one", "two" } do t.run { "cp", "-r", home .. "/" .. name, dir .. "/studies/" .. to } end
  local several = erlua({ "trials" }, { cwd = dir })
  t.eq(several.code, 2)
  t.match(several.out, "studies/one +finished +7 ")
  t.match(several.out, "studies/two +finished +7 ")
end)

t.test("STUDY may be the folder, with a slash at its end, or the file", function()
  local want = erlua({ "trials", study() }).out
  t.eq(erlua({ "trials", study() .. "/" }).out, want)
  t.eq(erlua({ "trials", study() .. "/study.db" }).out, want)
end)

t.test("wrong usage is exit 2 with what was wrong", function()
  local name = study()
  for message, args in pairs {
    ["unknown option %-%-jsno; did you mean %-%-json%?"] = { name, "--jsno" },
    ["%-%-sort expects one of reward, id, wall_s, epoch, but got 'rewrad'; did you mean reward%?"] = { name, "--sort", "rewrad" },
    ["%-%-top expects a whole number from 1 up, but got 'x'"] = { name, "--top", "x" },
    ["%-%-top needs a value"] = { name, "--top" },
    ["show needs the number of a trial"] = { name, "show" },
    ["'two' is not the number of a trial"] = { name, "show", "two" },
    ["'hide' is neither show nor diff"] = { name, "hide", "2" },
    ["%-%-json takes no value"] = { name, "--json=1" },
  } do
    local r = erlua { "trials", table.unpack(args) }
    t.eq({ r.code, r.out }, { 2, "" }, message)
    t.match(r.err, message)
    t.match(r.err, "usage: erlua trials")
  end
end)

t.test("a trial or a study that is not there is exit 1", function()
  local r = erlua { "trials", study(), "show", "99" }
  t.eq(r.code, 1)
  t.match(r.err, "there is no trial 99")
  r = erlua { "trials", "nowhere" }
  t.eq(r.code, 1)
  t.match(r.err, "there is no study at nowhere/study%.db")
end)

t.test("--help explains the command", function()
  local r = erlua { "trials", "--help" }
  t.eq({ r.code, r.err }, { 0, "" })
  t.match(r.out, "^usage: erlua trials %[STUDY%]")
end)

return t
