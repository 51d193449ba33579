-- Gains and noise: the baseline's spread, confirmation with fresh seeds, ideas at another
-- scale, scores to be doubted; and that all of it survives kills, moves and raised epochs.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local noisy = dofile(t.source .. "/tests/lib/noisy.lua")(t)
local engine = dofile(t.source .. "/tests/lib/engine.lua")(t)
local json = require("erlua.json")
local answer = noisy.answer

local LUCKY = 'if [ "$ERLUA_SEED" = 1 ]; then n=600; else n=500; fi; echo $n > "$ERLUA_OUT/answer"'
local BRITTLE = '[ "$ERLUA_SEED" = 1 ] || { echo "no luck" >&2; exit 7; }; echo 700 > "$ERLUA_OUT/answer"'

-- A gain, what is only lucky with the search's seed, what fails with any other, and a loss.
local PLAN = { repeats = 5, epochs = { { answer(520), LUCKY }, { BRITTLE, answer(480), answer(501) } }, confirm = 3, seeds = 3 }

local whole                            -- that study, run once

local function study()
  if not whole then
    whole = noisy.run(PLAN)
    t.eq(whole.code, 0, whole.err)
  end
  return whole
end

local function reruns(dir, purpose)
  local out = {}
  for _, r in ipairs(noisy.rows(dir, "reruns")) do
    if r.purpose == purpose then out[#out + 1] = r end
  end
  return out
end

-- ---- the baseline ------------------------------------------------------------------------

t.test("the baseline's repeats have seeds of their own and run between the trials of the first epochs", function()
  local r = study()
  local runs, seeds = reruns(r.study, "baseline"), { [1] = true }
  t.eq(#runs, 4, "the first run is a trial")
  for _, run in ipairs(runs) do
    t.eq({ run.outcome, run.trial, run.reward }, { "ok", 1, 500.0 + run.seed % 7 })
    t.ok(not seeds[run.seed], "a seed is used twice")
    seeds[run.seed] = true
  end
  -- jobs are numbered as they are asked for: two repeats in the first epoch, one in the second, the last at the end
  local order = engine.sql(r.study, "SELECT group_concat(coalesce(rerun, 't' || trial), ' ') FROM"
    .. " (SELECT rerun, trial FROM jobs WHERE stage = 'train' AND (rerun IS NULL OR rerun <= 4) ORDER BY id)")
  t.match(order, "^t1 1 2 t2 t3 3 t4 t5 t6 4$")
end)

t.test("a trial beats the baseline by more than two standard deviations, and each run of it moves the bar", function()
  local r = study()
  local rewards = { 501.0 }
  for _, run in ipairs(reruns(r.study, "baseline")) do rewards[#rewards + 1] = run.reward end
  local spread = require("erlua.gains").spread
  local function bar(n) return spread({ table.unpack((function()
    local runs = {}
    for i = 1, n do runs[i] = { outcome = "ok", reward = rewards[i] } end
    return runs
  end)()) }).bar end
  local d = noisy.json("report", r.study, "--json")
  t.near(d.baseline_runs[1].bar, bar(5))
  t.eq({ d.baseline_runs[1].n, d.baseline_runs[1].rewards, d.above_baseline }, { 5, rewards, 3 })
  t.near(d.baseline, d.baseline_runs[1].mean)
  t.ok(502 < bar(4) and 502 > rewards[1], "501 with its luck is above the first run and within the noise")
  t.match(r.err, "\nabove \nabove 2 3\nabove 2 3 4\n", "trial 6 never is")
end)

t.test("with one run of the baseline any reward above it counts, and the report says that the spread is not known", function()
  local plan = { epochs = { { answer(501), answer(500) } } }
  local r = noisy.run(plan)
  t.eq(r.code, 0, r.err)
  t.match(r.err, "\nabove 2\n")
  t.match(r.out, "\n  baseline 501, one run: its spread is not known\n  1 trial above it, by however little\n")
  t.match(r.out, "reward 502, 1 above the baseline %(%+0%.2 %%%), in one run\n")
  t.no_match(r.out, "[Cc]onfirm")
  local d = noisy.json("report", r.study, "--json")
  t.eq({ d.baseline, d.baseline_runs[1].sd, d.confirmation, d.best.confirmed, d.gains }, { 501, json.null, false, false, {} })
end)

t.test("repeats may be asked for late, and all tasks that ask for what is above wait for those that run", function()
  local dir = noisy.make { epochs = { {} } }
  local script = t.write(dir .. "/late.lua", [[
    local study = erlua.study(erlua.options { env = "x" })
    study:above_baseline()
    study:baseline { repeats = 5 }
    study:trial(study:idea { text = "more", reply = "idea.sh\n```\necho 501 > $ERLUA_OUT/answer\n```\n" })
    study:log("%d above one run", #study:above_baseline())
    study:propose { n = 0 }
    local above = erlua.map({ 1, 2 }, function() return #study:above_baseline() end)
    study:log("above three: %d, %d", above[1], above[2])
    return study:report()
  ]])
  local r = t.run { t.erlua, script, "--env", dir .. "/env", "--study", dir .. "/study" }
  t.eq(r.code, 0, r.err)
  t.match(r.err, "1 above one run\n.*above three: 0, 0\n")
  t.eq(#reruns(dir .. "/study", "baseline"), 2)
  noisy.replays(dir .. "/study")
end)

t.test("a repeat of the baseline that fails is counted, and the others are what is known", function()
  local dir = noisy.make({ repeats = 4, epochs = { {}, {} } })
  t.write(dir .. "/env/idea.sh", '[ $((ERLUA_SEED % 2)) = 1 ] || exit 9; ' .. answer(500) .. "\n")
  local r = t.run({ t.erlua, table.unpack(noisy.args(dir, { epochs = { {}, {} } })) })
  t.eq(r.code, 0, r.err)
  local failed, ok = 0, 1
  for _, run in ipairs(reruns(dir .. "/study", "baseline")) do
    if run.outcome == "ok" then ok = ok + 1 else
      failed = failed + 1
      t.eq({ run.outcome, run.stage, run.seed % 2 }, { "crash", "train", 0 })
    end
  end
  t.ok(failed > 0 and ok > 1, "seeds of both kinds were drawn")
  local d = noisy.json("report", dir .. "/study", "--json")
  t.eq({ d.baseline_runs[1].n, d.baseline_runs[1].failed }, { ok, failed })
  t.match(r.out, "; " .. failed .. " failed\n")
  noisy.replays(dir .. "/study")
end)

-- ---- confirmation ------------------------------------------------------------------------

t.test("only what holds with fresh seeds is a gain: neither luck nor what fails with other seeds", function()
  local r = study()
  t.match(r.err, "\ntrial 4 crash\ntrial 3 ok\ntrial 2 confirmed\n")
  local d = noisy.json("report", r.study, "--json")
  local found = {}
  for i, g in ipairs(d.gains) do found[i] = { g.id, g.reward, g.confirmed, g.outcome, #g.seeds } end
  t.eq(found, { { 2, 521, true, "ok", 3 }, { 4, 701, false, "crash", 3 }, { 3, 601, false, "ok", 3 } })
  local gain, brittle, lucky = d.gains[1], d.gains[2], d.gains[3]
  t.near(gain.difference, gain.mean - d.baseline)
  t.eq({ brittle.stage, brittle.reason, brittle.rewards }, { "train", "exit code 7: no luck", json.null })
  t.ok(lucky.difference < 2 * lucky.standard_error)
  t.eq({ d.best.id, d.best.confirmed }, { 4, false }, "the best of the search is there as what it is")
end)

t.test("no seed of the search or of the baseline's repeats is used to confirm", function()
  local r, used = study(), { [1] = true }
  for _, run in ipairs(reruns(r.study, "baseline")) do used[run.seed] = true end
  local runs = reruns(r.study, "confirm")
  t.eq(#runs, 9)
  for _, run in ipairs(runs) do t.ok(not used[run.seed], "seed " .. run.seed .. " is not fresh") end
end)

t.test("the report shows confirmed gains as gains, the others with their numbers and why", function()
  local out = study().out
  t.match(out, "\n\nConfirmed gains\n  trial  search  runs +mean  above the baseline\n +2 +521 +3 +52%d[%d.]* +%+%S+ ± %S+ %(%+%d%.%d %%%)\n")
  t.match(out, "\n\nNot confirmed\n  trial  search +mean  why not\n +4 +701 +%-  crash at train: exit code 7: no luck\n +3 +601 +50%S+  [^\n]+\n")
  t.match(out, "\n\nBest trial\n  Trial 2 of epoch 1: reward 521; confirmed: %+")
  for line in out:gmatch("[^\n]+") do t.ok(require("erlua.text").width(line) <= 80, "too wide: " .. line) end
end)

t.test("trials keep their fields and say which are confirmed; a trial's page lists its runs", function()
  local r = study()
  local list = noisy.json("trials", r.study, "--json")
  t.eq(#list, 6, "re-runs are no trials")
  local confirmed = {}
  for i, x in ipairs(list) do confirmed[i] = x.confirmed end
  t.eq(confirmed, { json.null, true, false, false, json.null, json.null })
  t.match(t.run({ t.erlua, "trials", r.study }).out, "\n 2 +1  ok +521 +%S+  confirmed +echo")
  local page = t.run({ t.erlua, "trials", r.study, "show", "4" }).out
  t.match(page, "\nconfirmed no\n")
  t.match(page, "\n\nRun again\n  for +seed  preset  reward\n  confirm +%d+  %- +%-  crash: exit code 7: no luck\n")
  local one = noisy.json("trials", r.study, "show", "2", "--json")
  t.eq({ #one.reruns, one.reruns[1].purpose, one.confirmed, #one.jobs }, { 3, "confirm", true, 2 })
end)

t.test("a study with repeats and confirmation is replayed from its journal, byte for byte", function() noisy.replays(study().study) end)

t.test("where the score does not vary the spread is 0, and the same score is no gain", function()
  local plan = { repeats = 3, epochs = { { answer(500) .. " # the same", answer(501) } }, confirm = 5 }
  local r = noisy.run(plan, { evaluate = 'echo "{\\"score\\": $(cat $ERLUA_OUT/answer).1}" > $ERLUA_METRICS\n' })
  t.eq(r.code, 0, r.err)
  t.match(r.out, "\n  baseline 500%.1, mean of 3 runs; standard deviation 0\n")
  local d = noisy.json("report", r.study, "--json")
  t.eq({ #d.gains, d.gains[1].id, d.gains[1].confirmed, d.gains[1].standard_error }, { 1, 3, true, 0 })
end)

t.test("when nothing is above the baseline nothing is run again, and the report says so", function()
  local plan = { repeats = 2, epochs = { { answer(100), "exit 1" } }, confirm = 3 }
  local r = noisy.run(plan)
  t.eq(r.code, 0, r.err)
  t.match(r.out, "\n\nConfirmed gains\n  None: no trial was above the baseline%.\n")
  t.eq(#reruns(r.study, "confirm"), 0)
  noisy.replays(r.study)
end)

t.test("a study of one baseline run measures it as often as it confirms", function()
  local r = noisy.run { epochs = { { answer(600) } }, confirm = 1, seeds = 4 }
  t.eq(r.code, 0, r.err)
  t.eq({ #reruns(r.study, "baseline"), #reruns(r.study, "confirm") }, { 3, 4 })
  t.eq(noisy.json("report", r.study, "--json").gains[1].confirmed, true)
end)

t.test("misuse raises and says what was wrong", function()
  local dir = noisy.make { epochs = {} }
  local script = t.write(dir .. "/wrong.lua", [[
    local study = erlua.study(erlua.options { env = "x" })
    for _, call in ipairs { function() study:baseline { repeats = 0 } end,
      function() study:confirm(1.5) end, function() study:confirm(1, { seeds = 1 }) end, function() study:generalize("none") end } do
      study:log("%s", select(2, pcall(call)))
    end
  ]])
  local r = t.run { t.erlua, script, "--env", dir .. "/env", "--study", dir .. "/s" }
  t.match(r.err, "study:baseline: repeats must be a whole number from 1 up, got 0\n")
  t.match(r.err, "study:confirm: n must be a whole number from 0 up, got 1%.5\n")
  t.match(r.err, "study:confirm: seeds must be a whole number from 2 up, got 1\n")
  t.match(r.err, "study:generalize: the environment small has no preset 'none'\n")
end)

-- ---- another scale -----------------------------------------------------------------------

-- In preset `far` the larger answer is the worse one.
local FAR = { presets = '{ far = { evaluate = { "sh", "far.sh" }, frozen = { "far.sh" } } }' }
local TURNED = 'echo "{\\"score\\": $((1000 - $(cat $ERLUA_OUT/answer)))}" > $ERLUA_METRICS\n'

local function with_preset(plan, ...)
  local dir = noisy.make(plan, { fields = FAR })
  t.write(dir .. "/env/far.sh", TURNED)
  return dir, t.run { t.erlua, table.unpack(noisy.args(dir, plan, ...)) }
end

t.test("--generalize runs the best ideas with another preset and reports the rank correlation", function()
  local plan = { repeats = 2, epochs = { { answer(510), answer(520), "exit 3", answer(530), answer(490) } } }
  local dir, r = with_preset(plan, "--generalize", "far")
  t.eq(r.code, 0, r.err)
  local g = noisy.json("report", dir .. "/study", "--json").generalization
  t.eq({ #g, g[1].preset, g[1].n, g[1].baseline }, { 1, "far", 4, 500 })
  t.near(g[1].rank_correlation, -1)
  local list = {}
  for i, x in ipairs(g[1].ideas) do list[i] = { x.id, x.reward, x.there } end
  t.eq(list, { { 5, 531, 470 }, { 3, 521, 480 }, { 2, 511, 490 }, { 6, 491, 510 } })
  t.match(r.out, "\n\nWith preset far\n  trial  search  there\n +5 +531 +470  below the baseline\n")
  t.match(r.out, "rank correlation of 4 ideas: %-1%.00 ")
  noisy.replays(dir .. "/study")
end)

-- An environment that trains on a text: the score is its length and the answer, so another text is another scale.
local function with_texts(plan)
  local dir = noisy.make(plan, { fields = { inputs = '{ text = "none.txt", prepare = { "sh", "prepare.sh" } }', data = '{ "val.txt" }' },
    evaluate = 'n=$(wc -c < $ERLUA_DATA/val.txt); echo "{\\"score\\": $(($(cat $ERLUA_OUT/answer) * (n - 10)))}" > $ERLUA_METRICS\n' })
  t.write(dir .. "/env/prepare.sh", "cp $ERLUA_TEXT $ERLUA_OUT/val.txt\n")
  t.write(dir .. "/long.txt", "a text of some length")
  t.write(dir .. "/short.txt", "short")
  return dir, function(...)
    local args = noisy.args(dir, plan, "--text", dir .. "/long.txt", "--generalize", "text:" .. dir .. "/short.txt", ...)
    return t.run({ t.erlua, table.unpack(args) }, { env = { XDG_CACHE_HOME = dir .. "/cache" } })
  end
end

t.test("--generalize text:FILE runs the best ideas on another text, which the study keeps by its digest", function()
  local dir, run = with_texts { repeats = 2, epochs = { { answer(510), answer(520) } } }
  local r = run()
  t.eq(r.code, 0, r.err)
  local g = noisy.json("report", dir .. "/study", "--json").generalization[1]
  t.eq({ g.preset, g.n, g.baseline, g.rank_correlation }, { "text:" .. dir .. "/short.txt", 2, -2500, -1 })
  t.match(r.out, "\n\nOn the text /")
  noisy.replays(dir .. "/study")
end)

t.test("what was made of that text may be gone when the study goes on, and has no part in its journal", function()
  local dir, run = with_texts { repeats = 1, epochs = { { answer(510), answer(520) } } }
  local r = run("--budget", "jobs=7")
  t.eq(r.code, 3, "it stops among the runs on the other text")
  t.run { "rm", "-r", dir .. "/cache" }
  r = t.run({ t.erlua, "resume", dir .. "/study", "--budget", "jobs=100" }, { env = { XDG_CACHE_HOME = dir .. "/cache" } })
  t.eq(r.code, 0, r.err)
  t.eq(noisy.json("report", dir .. "/study", "--json").generalization[1].n, 2)
  t.eq(engine.sql(dir .. "/study", "SELECT count(*) FROM effects WHERE call = 'prepare'"), "0")
  noisy.replays(dir .. "/study")
end)

t.test("an unknown preset to generalize to is exit 2 before anything is made", function()
  local dir, r = with_preset({ epochs = { {} } }, "--generalize", "near")
  t.eq(r.code, 2)
  t.match(r.err, "%-%-generalize: [^\n]*no preset 'near'")
  t.eq(t.read(dir .. "/study/study.db"), nil)
end)

-- ---- doubts ------------------------------------------------------------------------------

t.test("a score beyond plausible is marked for review in trials, report and JSON, and counts", function()
  local r = noisy.run({ epochs = { { answer(800), answer(510) } } }, { fields = { plausible = "{ min = 10, max = 700 }" } })
  t.eq(r.code, 0, r.err)
  local words = "score 801 is above plausible.max, 700"
  local list = noisy.json("trials", r.study, "--json")
  t.eq({ list[2].outcome, list[2].reward, list[2].review, list[3].review }, { "ok", 801, words, json.null })
  t.eq(noisy.json("report", r.study, "--json").review, { { id = 2, review = words } })
  local flat = t.run({ t.erlua, "report", r.study }).out:gsub("%s+", " ")
  t.match(flat:match("Best trial.*") or flat, "Trial 2 of epoch 1: reward 801[^;]*; look at it: score 801 is above plausible.max, 700",
    "the best trial bears its mark")
  t.match(r.out, "\n\nTo be looked at\n  Trial 2: score 801 is above plausible%.max, 700\n")
  t.match(t.run({ t.erlua, "trials", r.study, "show", "2" }).out, "\nlook at   score 801 is above")
  noisy.replays(r.study)
end)

t.test("without the sandbox every score is untrusted in trials, report and JSON, said once each", function()
  local r = noisy.run({ epochs = { { answer(510), "exit 1" } } }, nil, "--no-sandbox")
  t.eq(r.code, 0, r.err)
  t.eq(select(2, r.out:gsub("[Uu]ntrusted", "")), 1)
  t.match(r.out, "\n\nUntrusted\n  2 scores without the sandbox")
  local trusted = {}
  for i, x in ipairs(noisy.json("trials", r.study, "--json")) do trusted[i] = x.trusted end
  t.eq(trusted, { false, false, true }, "the third has no score")
  t.eq(noisy.json("report", r.study, "--json").untrusted, 2)
  t.eq(select(2, t.run({ t.erlua, "trials", r.study }).out:gsub("[Uu]ntrusted", "")), 1)
  noisy.replays(r.study)
  for _, x in ipairs(noisy.json("trials", study().study, "--json")) do t.eq(x.trusted, true) end
end)

-- ---- kills, moves, raised epochs, budgets ------------------------------------------------

local function view(dir)
  local out = {}
  for i, r in ipairs(noisy.rows(dir, "reruns")) do out[i] = { r.id, r.trial, r.purpose, r.seed, r.outcome, r.reward } end
  return out
end

t.test("kills at any commit of repeats and confirmation change nothing", function()
  local want, hit = view(study().study), 0
  for first = 6, 400, 50 do
    local over = false
    for _, ended in erlua.each({ first, first + 25 }, function(n)
      local dir = noisy.make(PLAN)
      local args = noisy.args(dir, PLAN)
      local r = engine.run(args, { fault = "commit.after:" .. n })
      if r.signal ~= 9 then
        t.eq(r.code, 0, r.stderr)
        return true
      end
      r = engine.run(args)
      t.eq(r.code, 0, n .. ": " .. r.stderr)
      t.eq(view(dir .. "/study"), want, "after commit " .. n)
      t.eq(engine.sql(dir .. "/study", "SELECT group_concat(id) FROM jobs WHERE starts <> 1 OR ended IS NULL"), "")
      t.eq(assert(erlua.exec { "ls", dir .. "/study/jobs" }).stdout, "", "folders left")
      noisy.replays(dir .. "/study")
      return false
    end) do
      over = over or ended
      hit = hit + (ended and 0 or 1)
    end
    if over then break end
  end
  t.ok(hit >= 3, "killed " .. hit .. " times")
end)

t.test("a study that is killed with SIGKILL again and again ends as the uninterrupted one", function()
  local dir
  engine.kill_often(function()
    dir = noisy.make(PLAN)
    return noisy.args(dir, PLAN)
  end, 2, 6)
  engine.check(dir .. "/study", engine.trials(study().study), 6)
  t.eq(view(dir .. "/study"), view(study().study))
end)

t.test("a study that goes on on another machine measures its baseline there and confirms against that", function()
  local dir = noisy.make(PLAN)
  local args = noisy.args(dir, PLAN)
  local r = engine.run(args, { fault = "commit.after:24", env = { ERLUA_HOST = "one" } })
  t.eq(r.signal, 9, r.stderr)
  r = engine.run(args, { env = { ERLUA_HOST = "two" } })
  t.eq(r.code, 0, r.stderr)
  local d = noisy.json("report", dir .. "/study", "--json")
  t.eq({ #d.baseline_runs, d.baseline_runs[1].host, d.baseline_runs[2].host }, { 2, "one", "two" })
  t.ok(d.baseline_runs[2].n >= 5, "all of it, not what was left")
  for _, g in ipairs(d.gains) do t.eq(g.host, "two") end
  t.eq({ d.gains[1].id, d.gains[1].confirmed, d.gains[1].baseline }, { 2, true, d.baseline_runs[2].mean })
  t.match(r.stdout, "baseline on two ")
  noisy.replays(dir .. "/study")
end)

t.test("the best trial is compared with the baseline of the machine where it ran", function()
  local plan = { repeats = 3, epochs = { { answer(520) }, { answer(510) } } }
  local dir = noisy.make(plan)
  local function on(host, epochs)
    local args = noisy.args(dir, { epochs = { table.unpack(plan.epochs, 1, epochs) } })
    local r = engine.run(args, { env = { ERLUA_HOST = host } })
    t.eq(r.code, 0, r.stderr)
  end
  on("one", 1)
  on("two", 2)
  local d = noisy.json("report", dir .. "/study", "--json")
  t.eq({ d.best.id, #d.baseline_runs, d.baseline == d.baseline_runs[2].mean }, { 2, 2, true })
  t.ok(d.baseline_runs[1].mean ~= d.baseline, "the two machines differ")
  t.eq(d.best.improvement, d.best.reward - d.baseline_runs[1].mean)
end)

t.test("epochs raised behind a confirmation keep it, go on, and confirm again at the new end", function()
  local plan = { repeats = 3, epochs = { { answer(520) }, { answer(540) }, { answer(560) } }, confirm = 1, seeds = 2 }
  local dir = noisy.make(plan)
  local function args(n) return noisy.args(dir, { epochs = { table.unpack(plan.epochs, 1, n) } }) end
  for n, ids in ipairs { "2", "2 3", "2 3 4" } do
    local r = engine.run(args(n))
    t.eq(r.code, 0, r.stderr)
    local found = {}
    for _, run in ipairs(reruns(dir .. "/study", "confirm")) do
      if run.trial ~= found[#found] then found[#found + 1] = run.trial end
    end
    t.eq(table.concat(found, " "), ids)
    noisy.replays(dir .. "/study")
  end
  t.eq(engine.sql(dir .. "/study", "SELECT group_concat(epoch) FROM rounds"), "1,2,3")
  t.eq(engine.sql(dir .. "/study", "SELECT max(starts), count(*) FROM jobs"), "1|" .. 2 * (4 + 2 + 6), "nothing ran twice")
end)

t.test("a budget of jobs that is spent while confirming stops the study, and more of it goes on", function()
  local plan = { repeats = 2, epochs = { { answer(520) } }, confirm = 1, seeds = 3 }
  local dir = noisy.make(plan)
  local r = engine.run(noisy.args(dir, plan, "--budget", "jobs=8"))
  t.eq(r.code, 3, r.stderr)
  t.match(r.stderr, "the budget is spent: 8 jobs of 8")
  t.match(r.stdout, "its runs are not over")
  r = engine.run(noisy.args(dir, plan, "--budget", "jobs=20"))
  t.eq(r.code, 0, r.stderr)
  t.eq(noisy.json("report", dir .. "/study", "--json").gains[1].confirmed, true)
  noisy.replays(dir .. "/study")
end)

t.test("jobs that end at the same time are all counted before another may start", function()
  local gate = t.tmpdir("/var/tmp")            -- jobs can be shown no part of /tmp
  local function waiting(x) return "until test -e " .. gate .. "/open; do sleep 0.02; done; " .. answer(x) end
  local plan = { epochs = { { waiting(501), waiting(502), waiting(503), waiting(504) } } }
  local dir = noisy.make(plan, { fields = { read = '{ "' .. gate .. '" }' } })
  local ran = engine.start(noisy.args(dir, plan, "--budget", "jobs=4"))
  local pid, jobs = engine.pid(dir .. "/study"), dir .. "/study/jobs/"
  t.await("two trials train", function() return t.read(jobs .. "3/started") and t.read(jobs .. "4/started") end)
  engine.signal("STOP", pid)
  local function ps(option) return assert(erlua.exec { "ps", "-o", "stat=", option, tostring(pid) }).stdout end
  t.await("the engine has stopped", function() return ps("--pid"):match("^T") end)
  t.write(gate .. "/open", "")
  t.await("both have ended", function()
    return t.read(jobs .. "3/exit") and t.read(jobs .. "4/exit") and ps("--ppid"):gsub("[^\n]*Z[^\n]*\n", "") == ""
  end)
  engine.signal("CONT", pid)
  t.eq(ran.result().code, 3)
  t.eq(engine.sql(dir .. "/study", "SELECT count(ended) FROM jobs"), "4")
end)

t.test("at the prompt a study's best are confirmed without running its baseline again", function()
  local dir = noisy.make { epochs = {} }
  local open = string.format("s = erlua.study { env = %q, study = %q } ", dir .. "/env", dir .. "/s")
  local reply = string.format("%q", "idea.sh\n```\n" .. answer(520) .. "\n```\n")
  local r = t.run { t.erlua, "-e", open .. "s:baseline { repeats = 3 } return s:trial(s:idea { text = 'x', reply = " .. reply .. " }).reward" }
  t.eq({ r.code, r.out }, { 0, "521.0\n" }, r.err)
  r = t.run { t.erlua, "-e", open .. "return s:confirm(1, { seeds = 2 })[1].confirmed" }
  t.eq({ r.code, r.out }, { 0, "true\n" }, r.err)
  t.eq({ #reruns(dir .. "/s", "baseline"), #reruns(dir .. "/s", "confirm") }, { 1, 2 })
  t.eq(engine.sql(dir .. "/s", "SELECT count(*) FROM trials"), "2")
  r = t.run { t.erlua, "-e", open .. "return #s:confirm(1, { seeds = 3 })[1].rewards" }
  t.eq({ r.code, r.out }, { 0, "3\n" }, r.err)
  t.eq(#reruns(dir .. "/s", "confirm"), 3, "runs that are there are not run again")
end)

t.test("a study from before there were re-runs is replayed as it was", function()
  local plan = { epochs = { { answer(520), "exit 1" } } }
  local r = noisy.run(plan, { environ = { ERLUA_HOST = "old" } })
  t.eq(r.code, 0, r.err)
  engine.sql(r.study, [[UPDATE effects SET result = replace(result, '"host":"old",', '');
    DROP TABLE reruns; DROP TABLE rounds; ALTER TABLE jobs DROP COLUMN rerun; ALTER TABLE trials DROP COLUMN host;
    ALTER TABLE trials DROP COLUMN trusted; ALTER TABLE trials DROP COLUMN review; PRAGMA user_version = 2]])
  noisy.replays(r.study)
  t.eq(noisy.json("report", r.study, "--json").gains, {})
end)

return t
