-- rerun.lua - the change of a trial run once more, with another seed or at another scale: a row
-- of `reruns`, the same jobs, no trial of its own.

local core = require("erlua.core.study")
local rng = require("erlua.core.rng")
local json = require("erlua.json")
local implement = require("erlua.implement")
local outcomes = require("erlua.outcome")
local progress = require("erlua.study_progress")
local scales = require("erlua.scale")
local stages = require("erlua.stage")

local M = {}

local SEEDS = 2147483647       -- they fit wherever a program puts one

---The k-th seed of a purpose: another one for each, never the study's own, which the search runs with.
---@param study erlua.study
---@param purpose string
---@param k integer
---@return integer
function M.seed(study, purpose, k)
  local draw = rng.new(study.opt.seed, "rerun " .. purpose .. " " .. k)
  local seed
  repeat seed = draw:int(SEEDS) until seed ~= study.opt.seed
  return seed
end

---Runs are kept in the order of their numbers, whichever ends first.
---@param runs table[]
---@param run table
function M.keep(runs, run)
  runs[#runs + 1] = run
  table.sort(runs, function(a, b) return a.id < b.id end)
end

-- Where such jobs run; that of another scale is made once.
local function room_of(study, scale)
  if not scale then return study.trial_room end
  study.scale_rooms = study.scale_rooms or {}
  if not study.scale_rooms[scale] then
    local env, message = scales.env(study, scale)
    if not env then error(message, 0) end
    study.scale_rooms[scale] = { study = study, env = env, stages = stages.new(study, env) }
  end
  return study.scale_rooms[scale]
end

-- The change that a trial was: its stored difference, applied to the pristine files again.
local function change_of(study, trial)
  local row = study.store:query("trial_patch", trial)[1]
  if not row.diff or row.diff == "" then return {}, row.digest end
  local made = implement.apply(study.env, row.diff)
  if made.digest ~= row.digest then return nil, row.digest, made.reason or "its patch makes another change now" end
  return made.changes, row.digest
end

local function run_jobs(study, run)
  local room = room_of(study, run.preset)
  local t = { id = run.trial, rerun = run.id, seed = run.seed, wall_s = 0.0, jobs = {}, folders = {} }
  local message
  t.changes, t.patch, message = change_of(study, run.trial)
  if not t.changes then
    return { outcome = "refused", stage = "patch", reason = message, wall_s = 0.0, trusted = true }
  end
  t.outcome, t.reason = outcomes.run(room, t, true)
  room.stages:clear(t)
  return t
end

local RESULT = { "outcome", "stage", "reason", "reward", "metrics", "wall_s", "host", "trusted", "review" }

---Runs a trial's change again.  A failure is a result, too.
---@param study erlua.study
---@param what {trial: integer, purpose: "baseline"|"confirm"|"generalize", seed: integer, preset: string?}
---@return table run  { id, trial, seed, outcome, stage, reason, reward, metrics, host }
function M.run(study, what)
  study.next_rerun = study.next_rerun + 1
  local run = { id = study.next_rerun, trial = what.trial, purpose = what.purpose, seed = what.seed, preset = what.preset }
  core.put("reruns", run)
  local t = run_jobs(study, run)
  for _, name in ipairs(RESULT) do run[name] = t[name] end
  core.update("reruns", { id = run.id, outcome = run.outcome, stage = run.stage, reason = run.reason, reward = run.reward,
    metrics = run.metrics and json.encode(run.metrics), wall_s = run.wall_s, host = run.host, trusted = run.trusted,
    review = run.review })
  if not run.preset then progress.add_rerun(study) end      -- how long one takes at another scale says nothing of this one
  return run
end

return M
