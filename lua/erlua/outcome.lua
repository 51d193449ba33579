-- outcome.lua - the jobs of one run and what they come to: an outcome, a reason, metrics and
-- a reward, and what is to be known about that reward.

local core = require("erlua.core.study")
local json = require("erlua.json")
local last_line = require("erlua.text").last_line

local M = {}

-- How a job ended that did not end well.
local ENDED = {
  timeout = "timeout", cpu = "timeout", oom = "oom", disk = "disk", flood = "flood", processes = "crash",
  launch = "launch_failed", lost = "lost", cancelled = "lost", signal = "crash",
}

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

-- The time of a job counts, its last words may be needed, and where it ran: studies from before
-- that was recorded know only their option.
local function took(room, t, result)
  t.wall_s, t.log, t.host = t.wall_s + result.wall_s, result.log, result.host or t.host
  room.study.host = t.host
  local inside = result.sandbox
  if inside == nil then inside = room.stages.sandbox end
  if not inside then t.trusted = false end
  return result
end

local function train(room, t)
  local result = took(room, t, room.stages:train(t))
  local outcome, reason = failure(result, room.env.budget ~= nil)
  if outcome then return outcome, reason end
  if result.artifact and result.artifact.bad then
    return "tampered", "the artifact folder may hold plain files and folders only: " .. result.artifact.bad
  end
end

---The check alone.
---@param room {env: erlua.env, stages: table}
---@param t table  with id, patch, changes, wall_s
---@return string|nil outcome  nil if it passed, or if there is none
---@return string? reason
function M.check(room, t)
  if not room.env.check_command then return end
  local outcome, reason = failure(took(room, t, room.stages:check(t)), false)
  if outcome == "crash" then outcome = "check_failed" end
  return outcome, reason
end

local function evaluate(room, t)
  local result, id = room.stages:evaluate(t)
  local outcome, reason = failure(took(room, t, result), false)
  local metrics, message, refusal
  if not outcome then
    metrics, message = read_metrics(result)
    if metrics then t.reward, message, refusal = room.env:score(metrics) end
    if t.reward then t.review = room.env:doubt(metrics) else outcome, reason = refusal or "bad_metric", message end
  end
  t.metrics = metrics
  if not t.rerun then
    core.put("evaluations", { trial = t.id, job = id, metrics = metrics and json.encode(metrics),
      error = outcome and reason })
  end
  return outcome, reason
end

local STAGES = { { "check", M.check }, { "train", train }, { "evaluate", evaluate } }

---Takes a change through its jobs.  Fills t: stage, wall_s, host, log, and with a score metrics, reward, trusted, review.
---@param room {env: erlua.env, stages: table}
---@param t table  a trial or a re-run, with patch and changes
---@param checked? boolean  the check was passed before
---@return string outcome
---@return string reason
function M.run(room, t, checked)
  t.reward, t.metrics, t.work, t.trusted, t.review = nil, nil, nil, true, nil
  for i = checked and 2 or 1, #STAGES do
    t.stage = STAGES[i][1]
    local outcome, reason = STAGES[i][2](room, t)
    if outcome then
      t.reward, t.trusted, t.review = nil, true, nil    -- what has no score has nothing to be doubted
      return outcome, reason
    end
  end
  return "ok", ""
end

return M
