-- Every end that a trial can have is produced here by a real run, with its stage and its
-- reason: replies that are not applied, jobs that go over a limit, metrics and rewards
-- that are none.  Jobs run in the sandbox where it works, else without.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local rig = dofile(t.source .. "/tests/lib/rig.lua")

local ARGS = rig.sandbox_error() and { "--no-sandbox" } or {}
local SHORT = 'wall = "200s", grace = "0.1s"'

-- The baseline of an environment whose training is this script.
local function baseline(script, fields, files, environ)
  return rig.study(t, { env = rig.env(script, fields, files), args = ARGS, environ = environ }).baseline
end

local function ends(trial, outcome, stage, reason)
  t.eq({ trial.outcome, trial.stage }, { outcome, stage }, trial.reason)
  t.match(trial.reason, reason)
  t.eq(trial.reward, nil)
  return trial
end

local function limits(more) return { limits = "{ " .. SHORT .. ", " .. more .. " }" } end

-- The baseline under a wall time that strikes where it should: on a busy machine so short a one may be over
-- before the script has begun, and then there is more of it.  fields(seconds) and there(trial) are the caller's.
local function struck(script, fields, there, files)
  local trial
  for _, seconds in ipairs { "0.4", "2", "10", "50" } do
    trial = baseline(script, fields(seconds), files)
    if there(trial) then return trial, seconds end
  end
  return trial, "50"
end

-- An argument of `sleep` that no other test and no other run has: a day, and who asks.
local function long_nap() return ("%d.%d"):format(86400 + math.random(9999), require("erlua.core.host").pid()) end

-- The text matches one of the patterns, which "|" parts.
local function says(text, patterns, note)
  for pattern in (patterns .. "|"):gmatch("(.-)|") do
    if text:find(pattern) then return end
  end
  t.ok(false, note .. ": " .. text)
end

-- ---- what becomes of a reply --------------------------------------------------------------

local GOOD = "echo 1 > \"$ERLUA_OUT/answer\"\n"
local CURIOUS = GOOD .. "cat lib/frozen.sh lib/new/deep.sh notes.txt; ls *.py ../lib; exit 0\n"
local REPLY_FIELDS = { editable = '{ "idea.sh", "lib/**", "*.txt" }', frozen = '{ "lib/frozen.sh" }', data = '{ "hidden.txt" }' }
local REPLY_FILES = { ["lib/frozen.sh"] = "echo frozen\n", ["lib/tool.sh"] = "echo tool\n", ["notes.txt"] = "one\ntwo\n" }

local function new_file(path, text) return "--- /dev/null\n+++ b/" .. path .. "\n@@ -0,0 +1 @@\n+" .. (text or "x") .. "\n" end

-- name, reply, outcome, pattern of the reason
local REPLIES = {
  { "prose", "I would try a larger step.", "no_idea", "no change was found" },
  { "nothing", "", "no_idea", "a reply" },
  { "NUL bytes alone", "\0\0\0", "no_idea", "no change" },
  { "the file as it is", rig.whole("idea.sh", CURIOUS), "no_change", "." },
  { "a frozen file", rig.whole("evaluate.sh", "exit 0\n"), "refused", "frozen" },
  { "a frozen file that a glob matches", rig.whole("lib/frozen.sh", "exit 0\n"), "refused", "frozen" },
  { "env.lua", rig.whole("env.lua", "return {}\n"), "refused", "frozen" },
  { "the evaluation's data, which a glob matches", rig.whole("hidden.txt", "mine\n"), "refused", "frozen" },
  { "a frozen file deleted", "--- a/evaluate.sh\n+++ /dev/null\n@@ -1 +0,0 @@\n-answer=$(cat \"$ERLUA_OUT/answer\") || exit 3\n", "refused", "frozen" },
  { "a good file and a frozen one", rig.whole("notes.txt", "three\n") .. rig.whole("evaluate.sh", "exit 0\n"), "refused", "frozen" },
  { "a new file where nothing is editable", new_file("json.py"), "refused", "frozen" },
  { "a way out of the folder", new_file("../lib/out.sh"), "refused", "inside the environment" },
  { "a way out through an editable folder", new_file("lib/../../out.sh"), "refused", "inside the environment" },
  { "a whole path", new_file("/tmp/out.txt"), "refused", "." },
  { "a file below a frozen file", new_file("lib/frozen.sh/more.sh"), "refused", "is a file and not a folder" },
  { "a frozen name in other letters", new_file("lib/Frozen.sh"), "refused", "upper and lower case" },
  { "a place that is not there", "--- a/notes.txt\n+++ b/notes.txt\n@@ -1,2 +1,2 @@\n nowhere\n-absent\n+new\n", "refused", "." },
  { "half of it in a place that is not there", rig.whole("notes.txt", "three\n")
    .. "\n--- a/lib/tool.sh\n+++ b/lib/tool.sh\n@@ -1,2 +1,2 @@\n nowhere\n-absent\n+new\n", "refused", "." },
  { "a change", rig.whole("notes.txt", "three\n"), "ok", "" },
  { "a change with a NUL byte", rig.whole("notes.txt", "th\0ree\n"), nil, "" },
  { "a new file where a glob matches", new_file("lib/new/deep.sh", "echo hello"), "ok", "" },
}

t.test("a reply is applied whole or not at all, and the trial says why", function()
  local replies = {}
  for i, case in ipairs(REPLIES) do replies[i] = case[2] end
  local r = rig.study(t, { env = rig.env(CURIOUS, REPLY_FIELDS, REPLY_FILES), replies = replies,
    args = ARGS })
  t.eq(#r.trials, #REPLIES + 1, r.err)
  for i, case in ipairs(REPLIES) do
    local trial = r.trials[i + 1]
    if case[3] then t.eq(trial.outcome, case[3], case[1] .. ": " .. tostring(trial.reason)) end
    t.ok(trial.outcome == "ok" or trial.outcome == "refused" or trial.outcome:match("^no_"), case[1])
    t.match(trial.reason, case[4])
    t.eq(trial.stage, trial.outcome == "ok" and "evaluate" or trial.outcome == "no_idea" and "propose" or "patch", case[1])
    if trial.outcome ~= "ok" then t.eq({ trial.jobs, trial.reward, trial.patch }, { {} }, case[1]) end
  end
  local last = r.trials[#r.trials]
  t.eq(last.reward, 1.0)
end)

-- ---- how jobs end ---------------------------------------------------------------------------

t.test("a check that fails is check_failed, before any training", function()
  local trial = ends(baseline(GOOD, { check = '{ "sh", "check.sh" }' }, { ["check.sh"] = "echo 'line 3: no' >&2; exit 2\n" }),
    "check_failed", "check", "^exit code 2: line 3: no$")
  t.eq(trial.jobs.train, nil)
end)

t.test("training that exits badly, or dies of a signal, is a crash", function()
  ends(baseline("echo 'out of luck' >&2; exit 9"), "crash", "train", "^exit code 9: out of luck$")
  ends(baseline("kill -SEGV $$"), "crash", "train", "SIGSEGV")
end)

t.test("a log may hold any bytes", function()
  local trial = baseline("printf 'a\\000b\\377\\376 \\303\\251\\n\\000' >&2; exit 1\n")
  ends(trial, "crash", "train", "é")
  t.ok(utf8.len(trial.reason), "the reason is text")
end)

t.test("the wall limit ends a job that ignores SIGTERM, with all that it started", function()
  local nap = "sleep " .. long_nap()
  local script = ("trap '' TERM INT HUP; echo up >&2; setsid NAP & (setsid sh -c 'trap \"\" TERM; NAP; NAP' &) ; while :; do NAP; done"):gsub("NAP", nap)
  local trial, seconds = struck(script, function(s) return { limits = '{ wall = "' .. s .. 's", grace = "0.1s" }' } end,
    function(trial) return trial.jobs.train and trial.jobs.train.log ~= "" end)
  ends(trial, "timeout", "train", "^wall limit of " .. seconds .. " s reached")
  t.eq(trial.jobs.train.log, "up\n")
  t.eq(rig.process_with(t, nap:sub(7)), false)
end)

t.test("the CPU limit counts every process", function()
  ends(baseline("(while :; do :; done) & (while :; do :; done) & while :; do :; done", limits('cpu = "0.4s"')), "timeout", "train",
    "^CPU limit of 0.4 s reached$")
end)

t.test("too much memory is oom", function()
  ends(baseline("perl -e '$x = \"x\" x 500_000_000; sleep 100'", limits('memory = "48M"')), "oom", "train", "^memory limit of 48 MiB reached$")
end)

t.test("many small processes are too much memory as well", function()
  ends(baseline("for i in 1 2 3 4 5 6 7 8; do perl -e '$x = \"x\" x 20_000_000; sleep 100' & done; wait", limits('memory = "64M"')), "oom", "train",
    "memory limit")
end)

t.test("a kill of its own making is no oom", function()
  ends(baseline("kill -KILL $$", limits('memory = "256M"')), "crash", "train", "SIGKILL")
end)

t.test("too much on disk is disk", function()
  ends(baseline("while :; do head -c 300000 /dev/zero >> big; sleep 0.01; done", limits('disk = "1M"')), "disk", "train", "^disk limit of 1 MiB reached$")
  ends(baseline("i=0; while :; do i=$((i+1)); : > $ERLUA_OUT/$i; done", limits('disk = "200K"')), "disk", "train", "disk limit")
end)

t.test("an evaluation that fills the disk through its metrics is stopped", function()
  ends(baseline(GOOD, limits('disk = "1M"'), { ["evaluate.sh"] = "while :; do head -c 300000 /dev/zero >> $ERLUA_METRICS; sleep 0.01; done\n" }),
    "disk", "evaluate", "disk limit")
end)

t.test("too much output is flood", function()
  ends(baseline("yes", limits('output = "1M"')), "flood", "train", "output")
  ends(baseline("yes >&2", limits('output = "1M"')), "flood", "train", "output")
end)

t.test("a fork bomb is a crash that names its limit", function()
  ends(baseline("bomb() { bomb | bomb & }; bomb; sleep 100", limits("processes = 24")), "crash", "train", "^limit of 24 processes reached")
end)

t.test("a command that does not exist is launch_failed", function()
  ends(baseline(GOOD, { train = '{ "no-such-program", "idea.sh" }' }), "launch_failed", "train", "no%-such%-program")
  ends(baseline(GOOD, { evaluate = '{ "no-such-scorer" }' }), "launch_failed", "evaluate", "no%-such%-scorer")
end)

t.test("an artifact that is no plain folder is tampered", function()
  ends(baseline("ln -s /etc/passwd $ERLUA_OUT/answer"), "tampered", "train", "answer is a link")
end)

t.test("a job whose supervisor dies twice is lost", function()
  local trial = baseline(GOOD, nil, nil, { ERLUA_FAULT = "supervise.before_exit" })
  ends(trial, "lost", "train", "supervisor was gone without a result")
  t.eq(trial.jobs.train.starts, 2)
end)

t.test("an evaluation has limits too", function()
  local trial = struck(GOOD, function(s) return { limits = '{ wall = "' .. s .. 's", grace = "0.1s" }' } end,
    function(trial) return trial.stage == "evaluate" end,
    { ["evaluate.sh"] = "echo '{\"score\":1}' > $ERLUA_METRICS; sleep " .. long_nap() .. "\n" })
  ends(trial, "timeout", "evaluate", "wall limit")
  ends(baseline(GOOD, limits('memory = "48M"'), { ["evaluate.sh"] = "perl -e '$x = \"x\" x 500_000_000; sleep 100'\n" }), "oom", "evaluate", "memory limit")
end)

t.test("a used-up budget is no failure: what is there is scored", function()
  local script = "echo \"$ERLUA_BUDGET $ERLUA_BUDGET_CLOCK\" >&2; i=0; while :; do i=$((i+1)); echo 5 > $ERLUA_OUT/part; mv $ERLUA_OUT/part $ERLUA_OUT/answer; done"
  for _, clock in ipairs { "wall", "cpu" } do
    local trial, seconds = struck(script, function(s) return { budget = "{ " .. clock .. ' = "' .. s .. 's" }' } end,
      function(trial) return trial.outcome == "ok" end)
    t.eq({ trial.outcome, trial.reward }, { "ok", 5.0 }, trial.reason)
    t.match(trial.jobs.train.log, "^" .. seconds:gsub("%.", "%%.") .. " " .. clock)
    t.eq(trial.jobs.train.ended, "budget")
  end
end)

t.test("a budget does not lift the limits, and one without an artifact is no score", function()
  local nap = "sleep " .. long_nap()
  ends(baseline(nap, { budget = '{ wall = "100s" }', limits = '{ wall = "0.3s", grace = "0.1s" }' }), "timeout", "train", "wall limit")
  ends(baseline(nap, { budget = '{ wall = "0.2s" }' }), "crash", "evaluate", "answer")
end)

-- ---- metrics ----------------------------------------------------------------------------------

-- The evaluation hands on the bytes that the script leaves: shell for printf, pattern.
local METRICS = {
  { "nothing at all", ":", "wrote no metrics" },
  { "NaN", "printf '{\"score\": NaN}'", "not one JSON object" },
  { "nan in a text", "printf '{\"score\": \"nan\"}'", "no number 'score'" },
  { "infinity", "printf '{\"score\": Infinity}'", "not one JSON object" },
  { "a number that is too large", "printf '{\"score\": 1e999}'", "." },
  { "no such metric", "printf '{\"other\": 1}'", "no number 'score'" },
  { "an empty object", "printf '{}'", "no number 'score'" },
  { "null", "printf '{\"score\": null}'", "no number 'score'" },
  { "true", "printf '{\"score\": true}'", "no number 'score'" },
  { "a list of one", "printf '{\"score\": [1]}'", "no number 'score'" },
  { "the metric twice", "printf '{\"score\": 1, \"score\": 2}'", "twice|duplicate" },
  { "another key twice", "printf '{\"score\": 1, \"a\": {\"b\": 1, \"b\": 1}}'", "twice|duplicate" },
  { "half an object", "printf '{\"score\": 1'", "not one JSON object" },
  { "a single quote", "printf \"{'score': 1}\"", "not one JSON object" },
  { "a trailing comma", "printf '{\"score\": 1,}'", "not one JSON object" },
  { "two objects", "printf '{\"score\": 1}{\"score\": 2}'", "not one JSON object" },
  { "a comment", "printf '{\"score\": 1} // best'", "not one JSON object" },
  { "a list", "printf '[{\"score\": 1}]'", "not one JSON object" },
  { "an empty list", "printf '[]'", "not one JSON object" },
  { "a number", "printf 1", "not one JSON object" },
  { "a text", "printf '\"score\"'", "not one JSON object" },
  { "white space", "printf ' \\n '", "." },
  { "a NUL byte behind it", "printf '{\"score\": 1}\\000'", "not one JSON object" },
  { "bytes that are no UTF-8", "printf '{\"score\": 1, \"note\": \"\\377\"}'", "not UTF%-8" },
  { "more than 1 MB", "printf '{\"score\": 1, \"note\": \"'; head -c 1100000 /dev/zero | tr '\\0' x; printf '\"}'", "larger than 1 MB" },
  { "nesting without end", "head -c 200000 /dev/zero | tr '\\0' '['", "not one JSON object" },
  { "a leading zero", "printf '{\"score\": 01}'", "not one JSON object" },
  { "a hexadecimal number", "printf '{\"score\": 0x10}'", "not one JSON object" },
  { "another spelling", "printf '{\"Score\": 1}'", "no number 'score'" },
}

t.test("metrics that are none are bad_metric, each with its reason", function()
  local replies = {}
  for i, case in ipairs(METRICS) do replies[i] = rig.whole("idea.sh", "{ " .. case[2] .. "; } > \"$ERLUA_OUT/metrics\"\n") end
  replies[#replies + 1] = rig.whole("idea.sh", "printf ' {\"score\": 2.5, \"more\": {\"deep\": [1, \"\\303\\251\"]}}\\n' > \"$ERLUA_OUT/metrics\"\n")
  local r = rig.study(t, { env = rig.env("echo '{\"score\":1}' > \"$ERLUA_OUT/metrics\"\n", nil, { ["evaluate.sh"] = "cat \"$ERLUA_OUT/metrics\" > \"$ERLUA_METRICS\"\n" }),
    replies = replies, args = ARGS })
  t.eq(#r.trials, #replies + 1, r.err)
  for i, case in ipairs(METRICS) do
    local trial = r.trials[i + 1]
    t.eq({ trial.outcome, trial.stage, trial.reward }, { "bad_metric", "evaluate" }, case[1] .. ": " .. tostring(trial.reason))
    says(trial.reason, case[3], case[1])
  end
  local good = r.trials[#r.trials]
  t.eq({ good.outcome, good.reward, good.metrics }, { "ok", 2.5, '{"more":{"deep":[1,"é"]},"score":2.5}' })
end)

-- ---- rewards ----------------------------------------------------------------------------------------

t.test("without a reward function the reward is the metric, negated for min", function()
  t.eq(baseline("echo 7 > $ERLUA_OUT/answer").reward, 7.0)
  t.eq(baseline("echo 7 > $ERLUA_OUT/answer", { direction = '"min"' }).reward, -7.0)
  t.eq(baseline("echo 4 > $ERLUA_OUT/answer", { reward = "function(m) return 1 / m.score end" }).reward, 0.25)
end)

-- name, source of the function's body, pattern
local REWARDS = {
  { "raises", "error('no good')", "no good" },
  { "raises a table", "error({})", "failed" },
  { "raises a number", "error(12)", "12" },
  { "indexes what is not there", "return m.nothing.more", "index" },
  { "returns nothing", "return", "not a finite number" },
  { "returns a text", "return '1'", "not a finite number" },
  { "returns a table", "return { 1 }", "not a finite number" },
  { "returns NaN", "return 0/0", "not a finite number" },
  { "returns infinity", "return 1/0", "not a finite number" },
  { "returns minus infinity", "return -math.huge", "not a finite number" },
  { "loops for ever", "while true do end", "million steps" },
  { "loops for ever in pcall", "while true do pcall(function() while true do end end) end", "million steps" },
  { "loops for ever in nested pcalls", "local function f() while true do pcall(f) end end f()", "million steps" },
  { "loops for ever in the handler of xpcall", "xpcall(function() while true do end end, function() while true do end end) return 1", "million steps" },
  { "loops for ever in a comparison", "table.sort({ 3, 2, 1 }, function() while true do end end) return 1", "million steps" },
  { "loops for ever in a finalizer", "setmetatable({}, { __gc = function() while true do end end }) for i = 1, 1e6 do local x = {} end return 1", "finalizers" },
  { "loops for ever when a variable closes", "local x <close> = setmetatable({}, { __close = function() while true do end end }) return 1", "million steps" },
  { "eats memory", "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end", "memory" },
  { "eats memory at once", "return #('x'):rep(1 << 40)", "." },
  { "eats memory in pcall", "local t = {} for i = 1, 1e9 do pcall(function() t[#t + 1] = ('x'):rep(1000) .. i end) end", "steps" },
  { "calls itself for ever", "local function f() return 1 + f() end return f()", "overflow|memory" },
  { "returns a table without end", "local t = {} t[1] = t return t", "." },
  { "returns a table that unfolds without end", "local t = {} for i = 1, 30 do t = { t, t } end return t", "." },
  { "reaches for io", "return io.open('/etc/passwd'):read('n')", "io" },
  { "reaches for os", "os.exit(7)", "os" },
  { "reaches for load", "return load('return 1')()", "load" },
  { "reaches for dofile", "return dofile('/etc/passwd')", "dofile" },
  { "reaches for require", "return require('erlua.core.fs').exists('/')", "require" },
  { "reaches for debug", "debug.sethook() return 1", "debug" },
  { "reaches for bytecode", "return #string.dump(function() end)", "dump" },
  { "reaches for another state", "return #tostring(package.loaded)", "package" },
  { "reaches for random numbers", "return math.random()", "random" },
}

-- The environment with this reward function, in this process.
local function scorer(body)
  local env, message = require("erlua.env").from_files(rig.env(GOOD, { reward = "function(m) " .. body .. " end" }), {})
  return t.ok(env, message)
end

t.test("a reward function that is no good gives no reward, says why and reaches nothing", function()
  for _, case in ipairs(REWARDS) do
    local reward, message = scorer(case[2]):score { score = 1 }
    t.eq(reward, nil, case[1])
    says(message, case[3], case[1])
  end
end)

t.test("in a study that is bad_metric", function()
  for _, i in ipairs { 1, 8, 11, 18 } do
    local trial = baseline(GOOD, { reward = "function(m) " .. REWARDS[i][2] .. " end" })
    ends(trial, "bad_metric", "evaluate", ".")
    says(trial.reason, REWARDS[i][3], REWARDS[i][1])
    t.eq(trial.metrics, '{"score":1}')
  end
end)

t.test("a reward function that failed once does not harm the next trial", function()
  local r = rig.study(t, { env = rig.env(GOOD, { reward = [[function(m)
    if m.score == 1 then kept = {} while true do kept[#kept + 1] = ("x"):rep(1000) .. #kept end end
    return m.score end]] }), replies = { rig.whole("idea.sh", "echo 2 > $ERLUA_OUT/answer\n"), rig.whole("idea.sh", "echo 3 > $ERLUA_OUT/answer\n") }, args = ARGS })
  t.eq({ r.code, #r.trials, r.trials[1].outcome }, { 0, 3, "bad_metric" }, r.err)
  for i = 2, 3 do t.ok(r.trials[i].outcome == "ok" or r.trials[i].outcome == "bad_metric", r.trials[i].outcome) end
end)

t.test("metrics that are too much for the reward function are bad_metric and not the engine's end", function()
  local trial = baseline(GOOD, { reward = "function(m) return m.score end" }, { ["evaluate.sh"] =
    "{ printf '{\"score\": 1, \"list\": ['; yes '{},' | head -n 320000 | tr -d '\\n'; printf '{}]}'; } > $ERLUA_METRICS\n" })
  ends(trial, "bad_metric", "evaluate", "reward function failed: .*memory")
end)

t.test("a reward that sums over the metrics is the same in every run", function()
  local seen = {}
  for _ = 1, 20 do
    local env = scorer("local s, text = 0, '' for k, v in pairs(m) do s = s + v / 3 text = text .. k end assert(text == 'abcdefscore', text) return s")
    local reward, message = env:score { score = 1, f = 0.1, b = 1e9, d = 1e-9, a = 0.7, e = 3, c = -1e9 }
    seen[t.ok(reward, message)] = true
  end
  t.ok(next(seen, (next(seen))) == nil, "one reward for all")
end)

return t
