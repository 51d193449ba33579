-- From an idea to a change: samples, revisions, checks and crashes, with scripted replies.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local fake = dofile(t.source .. "/tests/lib/fake.lua")
local rig = dofile(t.source .. "/tests/lib/rig.lua")
local json = require("erlua.json")

-- One idea of the script's own, taken through its trial.
local DRIVE = [[
local opt = erlua.options { env = "", ask = "trial", words = "Leave another number." }
local study = erlua.study(opt)
local base = study:baseline()
local idea = study:idea { text = opt.words, parents = { base.id } }
if opt.ask == "implement" then
  local reply, message, code = study:implement(idea)
  print(erlua.json.encode { reply or erlua.json.null, message or erlua.json.null, code or erlua.json.null })
end
study:trial(idea)
]]

local IDEA = "echo 1 > $ERLUA_OUT/answer\n"

local function sets(n) return "idea.sh\n```\necho " .. n .. " > $ERLUA_OUT/answer\n```\n" end

-- Runs the idea with these replies; the server answers with the last for ever.
local function study(replies, opts)
  opts = opts or {}
  local dir = opts.dir or t.tmpdir()
  for path, bytes in pairs(rig.env(opts.idea or IDEA, opts.fields, opts.files)) do t.write(dir .. "/env/" .. path, bytes) end
  t.write(dir .. "/replies.json", json.encode(replies))
  local server = fake.start(t, opts.server or "openai", { args = { replies = dir .. "/replies.json" } })
  t.write(dir .. "/drive.lua", DRIVE)
  local argv = { t.erlua, dir .. "/drive.lua", "--env", dir .. "/env", "--study", dir .. "/study", "--model", "openai:m@" .. server.url }
  table.move(opts.args or { "--samples", "1" }, 1, #(opts.args or { 1, 2 }), #argv + 1, argv)
  local r = t.run(argv, { cwd = dir, timeout = 300 })
  t.eq(r.code, 0, r.err)
  local one = json.decode(t.run({ t.erlua, "trials", dir .. "/study", "show", "2", "--json" }).out)
  local replay = t.run { t.erlua, "replay", dir .. "/study" }
  t.eq({ replay.code, replay.err }, { 0, "" })
  return one, server, r, dir
end

local function messages(server, n) return json.decode(server.requests()[n].body).messages end

local function codes(trial)
  local out = {}
  for i, m in ipairs(trial.implementations) do out[i] = m.round .. " " .. m.code end
  return out
end

t.test("an idea without a change is implemented, and its trial says by whom and at what cost", function()
  local trial, server = study { sets(7) }
  t.eq({ trial.outcome, trial.reward, codes(trial) }, { "ok", 7.0, { "0 ok" } })
  t.match(trial.implementer, "^openai:m@")
  t.eq({ trial.calls, trial.tokens > 0, trial.cost }, { 1, true, json.null })
  local sent = messages(server, 1)
  t.eq(#sent, 1)
  local prompt = server.requests()[1].body
  t.match(prompt, "Leave another number%.")
  t.match(prompt, "   1| echo 1 > %$ERLUA_OUT/answer")
  t.match(prompt, "evaluate%.sh")
  t.no_match(prompt, "the answer is no number", "the text of a frozen file")
  t.no_match(prompt, "hidden answer")
end)

t.test("what does not apply goes back into its conversation with the reason", function()
  local wrong = "```diff\n--- a/idea.sh\n+++ b/idea.sh\n@@ -1 +1 @@\n-echo 9 > nowhere\n+echo 3\n```\n"
  local trial, server = study { wrong, "I would rather talk about it.", sets(5) }
  t.eq({ trial.outcome, trial.reward, codes(trial) }, { "ok", 5.0, { "0 not_found", "1 no_change_found", "2 ok" } })
  local sent = messages(server, 3)
  t.eq(#sent, 5)
  t.eq({ sent[2].role, sent[2].content }, { "assistant", wrong })
  t.match(sent[3].content, "not applied")
  t.match(sent[3].content, "echo 9 > nowhere")
  t.eq({ sent[4].content, sent[5].role }, { "I would rather talk about it.", "user" })
end)

t.test("revisions come to an end, and the trial ends with the last reason", function()
  local trial, server = study({ "nothing here" }, { args = { "--samples", "2", "--revisions", "1" } })
  t.eq({ trial.outcome, trial.stage }, { "no_idea", "patch" })
  t.match(trial.reason, "no change")
  t.eq(codes(trial), { "0 no_change_found", "0 no_change_found", "1 no_change_found", "1 no_change_found" })
  t.eq(#server.requests(), 4)
end)

t.test("a change that does nothing is said to do nothing", function()
  local trial = study({ sets(1) }, { args = { "--samples", "1", "--revisions", "0" } })
  t.eq({ trial.outcome, trial.stage, codes(trial) }, { "no_change", "patch", { "0 no_op" } })
end)

t.test("the first sample that applies wins, and the rest is cancelled and counted", function()
  local slow = { text = sets(2), pieces = 400, pause = 0.05 }
  local trial, server, _, dir = study({ { text = "nothing", pieces = 2 }, { text = sets(8), delay = 0.5 }, slow, slow }, { args = { "--samples", "4" } })
  t.eq({ trial.outcome, trial.reward }, { "ok", 8.0 })
  t.eq(#server.requests(), 4)
  t.eq(trial.calls, 4)
  local report = json.decode(t.run({ t.erlua, "report", dir .. "/study", "--json" }).out)
  t.eq({ report.calls[1].purpose, report.calls[1].calls, report.calls[1].cancelled }, { "implement", 4, 2 })
  t.await("the server has seen them leave", function() return #server.gone() == 2 end)
end)

t.test("the check decides between samples, is run once for each distinct change, and its words go back", function()
  local fields = { check = '{ "sh", "-c", "grep -q [16] idea.sh || { echo six is missing; exit 1; }" }' }
  local trial, server = study({ sets(4), sets(4), sets(6) }, { fields = fields, args = { "--samples", "2" } })
  t.eq({ trial.outcome, trial.reward, codes(trial) }, { "ok", 6.0, { "0 check_failed", "0 check_failed", "1 ok" } })
  local checks = 0
  for _, j in ipairs(trial.jobs) do checks = checks + (j.stage == "check" and 1 or 0) end
  t.eq(checks, 2, "checks of two changes, and none again in the trial")
  t.match(messages(server, 3)[3].content, "six is missing")
end)

t.test("a change that never passes the check ends as check_failed", function()
  local trial = study({ sets(4) }, { fields = { check = '{ "sh", "-c", "grep -q 1 idea.sh || { echo no; exit 3; }" }' }, args = { "--samples", "1", "--revisions", "1" } })
  t.eq({ trial.outcome, trial.stage, trial.reason, trial.patch }, { "check_failed", "check", "exit code 3: no", json.null })
  t.eq(#trial.jobs, 1)
end)

t.test("a crash goes back only if that was asked for, with its last lines", function()
  local crash = "idea.sh\n```\necho the wheel came off >&2; exit 9\n```\n"
  local trial, server = study { crash, sets(3) }
  t.eq({ trial.outcome, #server.requests() }, { "crash", 1 })
  trial, server = study({ crash, sets(3) }, { args = { "--samples", "1", "--revise-on-crash", "1" } })
  t.eq({ trial.outcome, trial.reward, codes(trial) }, { "ok", 3.0, { "0 ok", "1 ok" } })
  local sent = messages(server, 2)
  t.eq(sent[2].content, crash)
  t.match(sent[3].content, "the wheel came off")
  t.match(sent[3].content, "exit code 9")
end)

t.test("a crash that is answered with the same change is not run again", function()
  local crash = "idea.sh\n```\nexit 9\n```\n"
  local trial, server = study({ crash }, { args = { "--samples", "1", "--revise-on-crash", "5" } })
  t.eq({ trial.outcome, #trial.jobs, #server.requests() }, { "crash", 1, 2 })
end)

t.test("an implementer that refuses leaves a trial without a change, with the reason", function()
  local trial = study { { text = "", refusal = "this one I will not touch" } }
  t.eq({ trial.outcome, trial.stage }, { "no_idea", "patch" })
  t.match(trial.reason, "^refusal: this one I will not touch")
end)

t.test("replies with NUL bytes, bad UTF-8 and megabytes of text are only replies that do not apply", function()
  local trial = study({ "a\0b " .. ("\u{FFFD}x "):rep(1000), ("-"):rep(300000), sets(2) })
  t.eq({ trial.outcome, trial.reward }, { "ok", 2.0 })
end)

t.test("study:implement hands out the reply or says why there is none, and the trial asks nobody again", function()
  local trial, server, r = study({ sets(4) }, { args = { "--samples", "1", "--ask", "implement" } })
  t.eq(json.decode(r.out), { sets(4), json.null, json.null })
  t.eq({ trial.outcome, #server.requests() }, { "ok", 1 })
  trial, server, r = study({ "no" }, { args = { "--samples", "1", "--revisions", "0", "--ask", "implement" } })
  local said = json.decode(r.out)
  t.eq({ said[1], said[3] }, { json.null, "no_idea" })
  t.eq({ trial.outcome, #server.requests() }, { "no_idea", 1 })
end)

return t
