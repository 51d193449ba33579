-- trial.lua - one idea through patch, check, train and evaluate to an outcome.
-- Every end is an outcome with a stage and a reason; nothing is raised for a failure.

local core = require("erlua.core.study")
local patch = require("erlua.core.patch")
local fs = require("erlua.core.fs")
local json = require("erlua.json")
local jobs = require("erlua.stage")
local artifacts = require("erlua.artifacts")
local clean = require("erlua.text").clean

local M = {}

local Trial = { __name = "erlua.trial", __id = function(t) return 2 * t.id + 1 end }

function Trial.__tostring(t)
  return string.format("trial %d: %s%s", t.id, t.outcome or "open", t.reward and string.format(", reward %.6g", t.reward) or "")
end

local Room = {}
Room.__index = Room

---@param study erlua.study
function M.new(study)
  return setmetatable({ study = study, env = study.env, stages = jobs.new(study) }, Room)
end

-- Outcomes of a reply that was not applied, by the applier's code.
local REFUSED = { no_change_found = "no_idea", no_op = "no_change" }

-- The files as the idea wants them, and the difference as it is kept.
local function apply(env, idea)
  if idea.prompt == "baseline" then return {}, "", 0, 0 end
  if idea.reply == "" then return nil, "no_idea", idea.text end
  local changes, message, code = patch.apply(env.patch_files, env.rules, idea.reply)
  if not changes then return nil, REFUSED[code] or "refused", message end
  local before, after = {}, {}
  for path, bytes in pairs(changes) do
    before[path] = env.pristine[path]
    after[path] = bytes or nil
  end
  return changes, patch.diff(before, after)
end

-- How a job ended that did not end well.
local ENDED = {
  timeout = "timeout", cpu = "timeout", oom = "oom", disk = "disk", flood = "flood", processes = "crash",
  launch = "launch_failed", lost = "lost", cancelled = "lost", signal = "crash",
}

-- What a job said last; it is shown on terminals, so nothing in it may steer one.
local function last_line(log)
  local line
  for l in (log or ""):gmatch("[^\n]+") do
    if l:find("[^%s%c]") then line = l end
  end
  line = line and clean(line)
  return line and #line > 200 and line:sub(1, utf8.offset(line, 0, 200) - 1) .. "..." or line
end

local function failure(result, ok_budget)
  if result.ended == "exit" and result.exit_code == 0 then return nil end
  if result.ended == "budget" and ok_budget then return nil end
  local said = last_line(result.log)
  if result.ended == "exit" then return "crash", "exit code " .. result.exit_code .. (said and ": " .. said or "") end
  return ENDED[result.ended] or "crash", result.reason .. (said and result.ended == "signal" and ": " .. said or "")
end

-- The metrics of an evaluation, or why they cannot be taken.
local function read_metrics(result)
  if result.metrics_error then return nil, result.metrics_error end
  local text = result.metrics or ""
  if text == "" then return nil, "the evaluation wrote no metrics" end
  local metrics, message = json.decode(text)
  if type(metrics) ~= "table" or not text:match("^%s*{") then
    return nil, "the metrics file is not one JSON object" .. (message and ": " .. message or "")
  end
  return metrics
end

local function train(room, t)
  local result = room.stages:train(t)
  t.wall_s = t.wall_s + result.wall_s
  local outcome, reason = failure(result, room.env.budget ~= nil)
  if outcome then return outcome, reason end
  if result.artifact and result.artifact.bad then
    return "tampered", "the artifact folder may hold plain files and folders only: " .. result.artifact.bad
  end
end

local function check(room, t)
  if not room.env.check_command then return end
  local result = room.stages:check(t)
  t.wall_s = t.wall_s + result.wall_s
  local outcome, reason = failure(result, false)
  if outcome == "crash" then outcome = "check_failed" end
  return outcome, reason
end

local function evaluate(room, t)
  local result, id = room.stages:evaluate(t)
  t.wall_s = t.wall_s + result.wall_s
  local outcome, reason = failure(result, false)
  local metrics, message
  if not outcome then
    metrics, message = read_metrics(result)
    if metrics then t.reward, message = room.env:score(metrics) end
    if not t.reward then outcome, reason = "bad_metric", message end
  end
  t.metrics = metrics
  core.put("evaluations", { trial = t.id, job = id, metrics = metrics and json.encode(metrics), error = outcome and reason })
  return outcome, reason
end

local STAGES = { { "check", check }, { "train", train }, { "evaluate", evaluate } }

local function run_stages(room, t)
  for _, s in ipairs(STAGES) do
    t.stage = s[1]
    local outcome, reason = s[2](room, t)
    if outcome then return outcome, reason end
  end
  return "ok", ""
end

local function put_patch(t, changes, diff, added, removed)
  local files = 0
  for _ in pairs(changes) do files = files + 1 end
  t.patch = fs.sha256(diff)
  core.put("patches", { digest = t.patch, diff = diff, files = files, added = added, removed = removed })
end

local function finish(room, t)
  core.update("trials", { id = t.id, outcome = t.outcome, stage = t.stage, reason = t.reason, reward = t.reward,
    metrics = t.metrics and json.encode(t.metrics), patch = t.patch, wall_s = t.wall_s, done = core.tick() })
  artifacts.keep(room.study, t)
  room.stages:clear(t)
  return t
end

---@param idea erlua.idea
---@return erlua.trial
function Room:run(idea)
  local t = setmetatable({ id = idea.id, epoch = idea.epoch, idea = idea.text, prompt = idea.prompt, parents = idea.parents,
    stage = "patch", wall_s = 0.0, jobs = {} }, Trial)
  local changes, diff, reason, removed = apply(self.env, idea)      -- or nil, outcome, reason
  if not changes then
    t.outcome, t.reason = diff, reason
    if diff == "no_idea" then t.stage = "propose" end
    return finish(self, t)
  end
  put_patch(t, changes, diff, reason, removed)
  t.changes = changes
  t.outcome, t.reason = run_stages(self, t)
  if t.outcome ~= "ok" then t.reward = nil end
  t.changes, t.work = nil, nil
  return finish(self, t)
end

---A finished trial by its number, as `erlua trials --json` has it.
function Room:read(id)
  local row = self.study.store:query("trial", id)[1]
  if not row then return nil, "there is no trial " .. tostring(id), "ENOENT" end
  row.parents = json.decode(row.parents)
  row.metrics = row.metrics and json.decode(row.metrics)
  return setmetatable(row, Trial)
end

return M
