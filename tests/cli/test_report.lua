-- The closing report: at the end of a strategy, by erlua report, and as data.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local terminal = dofile(t.source .. "/tests/lib/terminal.lua")
local json = require("erlua.json")
local core = require("erlua.core.study")
local diversity = require("erlua.diversity")
local diffs = require("erlua.diff_text")

local NAME = "studies/bestofn-circle_packing"
local home, said                              -- where the study is, and what its strategy printed

local function erlua(args, opts)
  opts = opts or {}
  opts.cwd = opts.cwd or home
  return t.run({ t.erlua, table.unpack(args) }, opts)
end

local function study()
  if home then return NAME end
  home = t.tmpdir()
  local r = erlua { "strategies/bestofn.lua", "--env", "circle_packing", "--epochs", "2", "--batch", "6" }
  t.eq(r.code, 0, r.err)
  said = r.out
  return NAME
end

local function copy()
  study()
  local dir = t.tmpdir()
  t.eq(t.run({ "cp", "-r", home .. "/" .. NAME, dir .. "/s" }).code, 0)
  return dir .. "/s"
end

-- Changes rows of a study: { { table, row }, ... }.
local function change(dir, rows)
  local store = t.ok(core.open(dir .. "/study.db", "write"))
  for _, r in ipairs(rows) do t.ok(store:change(r[1], r[2])) end
  t.ok(store:commit())
  store:close()
end

local function data(name, opts)
  local r = erlua({ "report", name or study(), "--json" }, opts)
  t.eq({ r.code, r.err }, { 0, "" })
  return t.ok(json.decode(r.out)), r.out
end

local function trials(name)
  return t.ok(json.decode(erlua({ "trials", name or study(), "--json" }).out))
end

local function on_terminal(columns, args, env) return terminal.shows(t, columns, args, { cwd = home, env = env }) end

t.test("a strategy ends with the report that erlua report prints", function()
  local r = erlua { "report", study() }
  t.eq({ r.code, r.err }, { 0, "" })
  t.eq(said, r.out)
  for _, title in ipairs { "Funnel", "Rewards by epoch", "Diversity", "Best trial", "Further" } do
    t.match(r.out, "\n\n" .. title .. "\n")
  end
end)

t.test("the numbers of the data are those of the trials", function()
  local d, all = data(), trials()
  t.eq({ d.trials, d.env, d.script, d.seed, d.state }, { 12, "circle_packing", "strategies/bestofn.lua", 1, "finished" })
  t.eq(d.baseline, all[1].reward)
  local outcomes, n, best = {}, 0, nil
  for i = 2, #all do
    local x = all[i]
    outcomes[x.outcome] = (outcomes[x.outcome] or 0) + 1
    if x.outcome == "ok" and (not best or x.reward > best.reward) then best = x end
  end
  t.eq(d.outcomes, outcomes)
  for _, f in ipairs(d.funnel) do n = n + f.n end
  t.eq(n, 12)
  t.eq({ d.best.id, d.best.reward, d.best.patch, d.best.idea }, { best.id, best.reward, best.patch, best.idea })
  t.near(d.best.improvement, best.reward - d.baseline)
  t.eq(d.best.diff, erlua({ "trials", study(), "diff", tostring(best.id) }).out)
end)

t.test("an epoch's best and mean are over its trials with a reward", function()
  local d, all = data(), trials()
  t.eq(#d.epochs, 2)
  for _, e in ipairs(d.epochs) do
    local n, ok, sum, best = 0, 0, 0, -math.huge
    for _, x in ipairs(all) do
      if x.epoch == e.epoch then
        n = n + 1
        if x.outcome == "ok" then ok, sum, best = ok + 1, sum + x.reward, math.max(best, x.reward) end
      end
    end
    t.eq({ e.n, e.ok, e.best }, { n, ok, best })
    t.near(e.mean, sum / ok)
  end
end)

t.test("the same search elsewhere gives the same data, but for where it is and how long it took", function()
  local a = data()
  local dir = t.tmpdir()
  local r = erlua({ "strategies/bestofn.lua", "--env", "circle_packing", "--epochs", "2", "--batch", "6", "--json" }, { cwd = dir })
  t.eq(r.code, 0, r.err)
  local b = t.ok(json.decode(r.out))
  a.study, a.job_s, b.study, b.job_s = nil, nil, nil, nil
  t.eq(b, a)
end)

t.test("the report of the same study is the same to the byte", function()
  local _, a = data()
  local _, b = data()
  t.eq(a, b)
end)

t.test("the funnel says how many ideas came how far and what became of the others", function()
  local dir = copy()
  local rows = {}
  local ends = { { "no_idea", "propose" }, { "refused", "patch" }, { "crash", "train" }, { "crash", "train" }, { "oom", "evaluate" } }
  for i = 2, 13 do
    local e = ends[i - 1] or { "ok", "evaluate" }
    rows[#rows + 1] = { "trials", { id = i, outcome = e[1], stage = e[2], reward = e[1] == "ok" and i / 100 or json.null } }
  end
  change(dir, rows)
  local out = erlua({ "report", dir }).out
  t.match(out, "\n  ideas       12  [█]+\n")
  t.match(out, "\n  applied     10  [█]+ +no idea 1, refused 1\n")
  t.match(out, "\n  trained      8  [█]+ +crash 2\n")
  t.match(out, "\n  scored       7  [█]+ +oom 1\n")
  t.no_match(out, "checked")
end)

t.test("open trials are counted as open, and the report says how to go on", function()
  local dir = copy()
  change(dir, { { "studies", { id = 1, state = "running" } },
    { "trials", { id = 13, outcome = json.null, stage = json.null, reward = json.null, done = json.null } } })
  local out = erlua({ "report", dir }).out
  t.match(out, "^bestofn%-circle_packing %(not finished%)\n")
  t.match(out, "\n  ideas       12  [█]+ +1 still open\n")
  t.match(out, "\nresume    erlua resume " .. dir:gsub("%p", "%%%0") .. "\n")
  t.eq(data(dir).outcomes.open, 1)
end)

t.test("a study of the baseline alone has a report", function()
  local dir = t.tmpdir()
  t.write(dir .. "/base.lua", 'local s = erlua.study(erlua.options { env = "circle_packing" })\ns:baseline()\nreturn s:report()\n')
  local r = erlua({ "base.lua" }, { cwd = dir })
  t.eq(r.code, 0, r.err)
  t.match(r.out, "\n  baseline %d%S+, one run: its spread is not known\n  there are no ideas yet\n")
  t.match(r.out, "No idea came to a reward")
  local d = t.ok(json.decode(erlua({ "report", "--json" }, { cwd = dir }).out))
  t.eq({ d.trials, d.epochs, d.funnel, d.best, d.outcomes }, { 0, {}, {}, json.null, {} })
  t.eq(d.diversity, { patches = 0, compared = 0, distance = json.null })
  t.match(erlua({ "report", "--json" }, { cwd = dir }).out, '"outcomes":{}')
end)

t.test("on a terminal of 40 columns only commands and paths are longer than it", function()
  local out = on_terminal(40, { "report", study() }, { NO_COLOR = "1" })
  for line in out:match("^(.-)\n\nFurther\n"):gmatch("[^\n]+") do t.ok(utf8.len(line) <= 40, line) end
  t.match(out, "\ntrials\n  erlua trials studies/bestofn%-circle_packing %-%-sort reward %-%-top 10\n")
end)

t.test("a diff is coloured on a terminal, and not where NO_COLOR is set or there is none", function()
  t.match(on_terminal(80, { "report", study() }, { NO_COLOR = false }), "\27%[32m%+")
  t.no_match(on_terminal(80, { "report", study() }, { NO_COLOR = "1" }), "\27")
  t.no_match(erlua({ "report", study() }).out, "\27")
end)

t.test("a long diff is cut, with the command that shows all of it", function()
  local dir = copy()
  local best = data(dir).best
  local lines = { "diff --git a/pack.lua b/pack.lua", "--- a/pack.lua", "+++ b/pack.lua", "@@ -1 +1,100 @@", " first" }
  for i = 1, 99 do lines[#lines + 1] = "+line " .. i end
  local store = t.ok(core.open(dir .. "/study.db", "write"))
  t.ok(store:write("patches", { digest = "long", diff = table.concat(lines, "\n") .. "\n", files = 1, added = 99, removed = 0 }))
  t.ok(store:change("trials", { id = best.id, patch = "long" }))
  t.ok(store:commit())
  store:close()
  local out = erlua({ "report", dir }).out
  t.match(out, "\n%+line 35\n… 64 more lines: erlua trials %S+ diff " .. best.id .. "\n")
end)

t.test("a long search shows its first and last epochs, and its sparkline all of them", function()
  local dir = copy()
  local rows = {}
  local store = t.ok(core.open(dir .. "/study.db", "write"))
  for i = 14, 60 do
    t.ok(store:write("ideas", { id = i, epoch = i - 11, prompt = "first", model = "m", text = "x", reply = "", tick = i }))
    t.ok(store:write("trials", { id = i, idea = i, epoch = i - 11, parents = "[]", tick = i, done = i, outcome = "ok",
      stage = "evaluate", reason = "", reward = i / 10, wall_s = 0.1 }))
  end
  t.ok(store:commit())
  store:close()
  t.eq(#data(dir).epochs, 49)
  local out = erlua({ "report", dir }).out
  t.match(out, "\n +4 +1 +1 +%S+ +%S+\n +…\n +40 +1 +1")
  t.match(out, "\n +49 +1 +1 +6%.?0? +6%.?0?\n  best +[^\n]+█  %S+ to 6\n")
end)

t.test("diversity is 0 for the same changes, 1 for none in common, and the share between", function()
  local function diff(...) return "--- a/x\n+++ b/x\n@@ -1,0 +1," .. select("#", ...) .. " @@\n+" .. table.concat({ ... }, "\n+") .. "\n" end
  t.eq(diversity.mean_distance { diff("a", "b"), diff("a", "b") }, 0.0)
  t.eq(diversity.mean_distance { diff("a", "b"), diff("c") }, 1.0)
  t.near(diversity.mean_distance { diff("a", "b"), diff("b", "c") }, 1 - 1 / 3)
  t.near(diversity.mean_distance { diff("a"), diff("a"), diff("b") }, 2 / 3)
  t.eq(diversity.mean_distance { diff("a") }, nil)
  t.eq(diversity.mean_distance { diff("  a"), diff("a  ") }, 0.0, "spaces at the ends do not count")
end)

t.test("a removed or added comment that looks like a file's header is a change like others", function()
  local diff = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n--- old comment\n+++ new\n same\n"
  local kinds = {}
  for i, l in ipairs(diffs.lines(diff)) do kinds[i] = l.kind end
  t.eq(kinds, { "file", "file", "file", "hunk", "remove", "add", "same" })
end)

t.test("a report can be read while the study is being written", function()
  local dir = copy()
  local writer = t.ok(core.open(dir .. "/study.db", "write"))
  t.ok(writer:change("trials", { id = 2, reward = 99.0, outcome = "ok" }))       -- not committed
  t.ok(data(dir).best.reward < 99)
  t.ok(writer:commit())
  t.eq(data(dir).best.id, 2)
  writer:close()
end)

t.test("a damaged file is an error that says so, without a traceback", function()
  local dir = copy()
  local bytes = t.read(dir .. "/study.db")
  t.write(dir .. "/study.db", bytes:sub(1, 8192) .. ("\255"):rep(#bytes - 8192))
  local r = erlua { "report", dir }
  t.eq(r.code, 1)
  t.match(r.err, "^erlua: [^\n]*damaged[^\n]*\n$")
  t.write(dir .. "/study.db", "no database at all, but long enough to look at")
  r = erlua { "report", dir }
  t.eq(r.code, 1)
  t.match(r.err, "is not a study file")
end)

t.test("wrong usage is exit 2, --help is the usage", function()
  t.eq(erlua({ "report", study(), "more" }).code, 2)
  t.eq(erlua({ "report", study(), "--jso" }).code, 2)
  t.match(erlua({ "report", "--help" }).out, "^usage: erlua report")
end)

return t
