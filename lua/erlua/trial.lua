-- trial.lua - one idea through patch, check, train and evaluate to an outcome.
-- Every end is an outcome with a stage and a reason; nothing is raised for a failure.

local core = require("erlua.core.study")
local fs = require("erlua.core.fs")
local json = require("erlua.json")
local jobs = require("erlua.stage")
local artifacts = require("erlua.artifacts")
local implement = require("erlua.implement")
local models = require("erlua.study_models")
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

-- The time of a job counts, and its last words may be needed.
local function took(t, result)
  t.wall_s, t.log = t.wall_s + result.wall_s, result.log
  return result
end

local function train(room, t)
  local result = took(t, room.stages:train(t))
  local outcome, reason = failure(result, room.env.budget ~= nil)
  if outcome then return outcome, reason end
  if result.artifact and result.artifact.bad then
    return "tampered", "the artifact folder may hold plain files and folders only: " .. result.artifact.bad
  end
end

local function check(room, t)
  if not room.env.check_command then return end
  local outcome, reason = failure(took(t, room.stages:check(t)), false)
  if outcome == "crash" then outcome = "check_failed" end
  return outcome, reason
end

local function evaluate(room, t)
  local result, id = room.stages:evaluate(t)
  local outcome, reason = failure(took(t, result), false)
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

local function run_stages(room, t, checked)
  for i = checked and 2 or 1, #STAGES do
    t.stage = STAGES[i][1]
    local outcome, reason = STAGES[i][2](room, t)
    if outcome then return outcome, reason end
  end
  return "ok", ""
end

local function put_patch(t, made)
  local files = 0
  for _ in pairs(made.changes) do files = files + 1 end
  t.patch = fs.sha256(made.diff)
  core.put("patches", { digest = t.patch, diff = made.diff, files = files, added = made.added, removed = made.removed })
end

local function finish(room, t)
  t.log = nil
  core.update("trials", { id = t.id, outcome = t.outcome, stage = t.stage, reason = t.reason, reward = t.reward,
    metrics = t.metrics and json.encode(t.metrics), patch = t.patch, wall_s = t.wall_s, done = core.tick() })
  artifacts.keep(room.study, t)
  room.stages:clear(t)
  t.folders = nil
  return t
end

-- ---- the change ------------------------------------------------------------------------

-- The trial of an idea: begun by study:implement, if that comes first.
local function begin(idea)
  local t = idea.begun or setmetatable({ id = idea.id, epoch = idea.epoch, idea = idea.text, prompt = idea.prompt,
    parents = idea.parents, stage = "patch", wall_s = 0.0, jobs = {}, folders = {} }, Trial)
  idea.begun = t
  return t
end

-- Runs the check on a sample of a trial: an outcome, a reason and a log, or nothing if it passed.
local function check_sample(room, t, made)
  local sample = setmetatable({ patch = made.digest, changes = made.changes, wall_s = 0.0 }, { __index = t })
  local outcome, reason = check(room, sample)
  t.wall_s = t.wall_s + sample.wall_s
  return outcome, reason, sample.log
end

-- A model at work on the idea; nil where there is none that could be asked.
local function work_on(room, idea, t, options)
  local model = models.implementer(room.study, options.implementer)
  if not model then return nil end
  t.implementer = model.spec
  return implement.new(room.study, t, idea, { samples = options.samples, revisions = options.revisions, model = model,
    check = function(made) return check_sample(room, t, made) end })
end

local NO_CHANGE = { changes = {}, diff = "", added = 0, removed = 0 }

---Finds the change of an idea: in its own reply, or by asking the implementer.  Done once.
---@param room table
---@param idea erlua.idea
---@param options? {samples: integer?, revisions: integer?, implementer: string?}
---@return table made  of implement.lua
function M.make(room, idea, options)
  if idea.made then return idea.made end
  local made
  if idea.prompt == "baseline" then made = NO_CHANGE
  elseif idea.missing then made = { outcome = "no_idea", stage = "propose", reason = idea.missing }
  elseif idea.reply ~= "" then made = implement.apply(room.env, idea.reply) end
  if not (made and (made.changes or idea.missing)) then
    local work = work_on(room, idea, begin(idea), options or {})
    made = work and work:run() or made or { outcome = "no_idea", reason = idea.text }
  end
  made.stage = made.stage or (made.outcome == "no_idea" and not made.work and "propose" or "patch")
  idea.made = made
  return made
end

-- ---- a trial -------------------------------------------------------------------------------

local function try(room, t, made)
  put_patch(t, made)
  t.changes, t.work, t.reward, t.metrics = made.changes, nil, nil, nil
  t.outcome, t.reason = run_stages(room, t, made.work ~= nil)
  if t.outcome ~= "ok" then t.reward = nil end
  t.changes, t.work = nil, nil
end

-- A crash goes back to the implementer, up to k times; what it changes is run in its place.
local function revise(room, t, idea, made, k, options)
  local work = made.work
  for _ = 1, k do
    if t.outcome ~= "crash" then return end
    work = work or work_on(room, idea, t, options)
    if not work then return end
    made.reply = made.reply or idea.reply
    local again = work:crashed(made, t)
    if not again.changes or again.digest == t.patch then return end
    made = again
    try(room, t, made)
  end
end

---@param idea erlua.idea
---@param options? {samples: integer?, revisions: integer?, revise_on_crash: integer?, implementer: string?}
---@return erlua.trial
function Room:run(idea, options)
  options = options or {}
  local made, t = M.make(self, idea, options), begin(idea)
  idea.made, idea.begun = nil, nil
  if not made.changes then
    t.outcome, t.reason, t.stage = made.outcome, made.reason, made.stage
    return finish(self, t)
  end
  try(self, t, made)
  if idea.prompt ~= "baseline" then revise(self, t, idea, made, options.revise_on_crash or self.study.opt.revise_on_crash or 0, options) end
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
