-- study_noise.lua - how much the baseline's score varies from run to run: its repeats, spread
-- over the epochs between the trials, and what a trial must be above.

local core = require("erlua.core.study")
local task = require("erlua.core.task")
local json = require("erlua.json")
local gains = require("erlua.gains")
local progress = require("erlua.study_progress")
local rerun = require("erlua.rerun")

local M = {}

local function count(study, host, n)
  local begun_on = study.noise.begun
  begun_on[host] = (begun_on[host] or 0) + n
end

-- At the prompt nothing is run again to be known again.
local function load(study)
  local row, runs = study.store:query("baseline_trial")[1], study.noise.runs
  if not row or row.outcome ~= "ok" then return end
  study.base, study.host = study.trial_room:read(row.id), row.host
  runs[1] = { id = 0, outcome = "ok", reward = row.reward, host = row.host, seed = study.opt.seed }
  for _, run in ipairs(study.store:query("reruns")) do
    if run.purpose == "baseline" and run.outcome then runs[#runs + 1], study.host = run, run.host end
  end
  for _, run in ipairs(runs) do count(study, run.host or "", 1) end
  study.noise.reserved = #runs
end

---@param study erlua.study
function M.begin(study)
  study.noise = { runs = {}, wanted = 1, begun = {}, reserved = 0, tasks = {} }
  if core.state() == "off" then load(study) end
end

local function here(study) return study.host or "" end

-- How many runs there are on this machine, those that are not over among them.
local function begun(study) return study.noise.begun[here(study)] or 0 end

local function add(study, run)
  local runs = study.noise.runs
  rerun.keep(runs, run)
  local mean = gains.spread(gains.on(runs, run.host)).mean
  if mean then core.update("studies", { id = 1, baseline = mean }) end
end

---One more run of the baseline is to begin, on this machine as far as is known.
---@param study erlua.study
---@return {number: integer, host: string}
function M.reserve(study)
  study.noise.reserved = study.noise.reserved + 1
  count(study, here(study), 1)
  return { number = study.noise.reserved, host = here(study) }
end

---How many runs of the baseline there are to be on each machine; the most that was ever asked for counts.
---@param study erlua.study
---@param repeats integer
function M.want(study, repeats)
  if repeats <= study.noise.wanted then return end
  progress.expect(study, repeats - study.noise.wanted)
  study.noise.wanted = repeats
end

---The baseline has run for the first time.
---@param study erlua.study
---@param t erlua.trial
function M.first(study, t)
  M.reserve(study)
  add(study, { id = 0, outcome = t.outcome, reward = t.reward, host = t.host, seed = study.opt.seed })
end

---Runs the baseline once more, with a seed of its own.
---@param study erlua.study
---@param reserved table  of M.reserve
function M.run(study, reserved)
  local run = rerun.run(study, { trial = study.base.id, purpose = "baseline",
    seed = rerun.seed(study, "baseline", reserved.number) })
  count(study, reserved.host, -1)
  count(study, run.host or reserved.host, 1)
  add(study, run)
end

---How many runs are missing on this machine.
---@param study erlua.study
---@param wanted? integer  more than the study has asked for
---@return integer
function M.missing(study, wanted)
  return math.max(0, math.max(wanted or 1, study.noise.wanted) - begun(study))
end

---A new epoch: half of what is missing runs beside its first trials, with all slots in use.  So the spread is known early,
---and yet measured over some time; on another machine it begins again.
---@param study erlua.study
function M.spread(study)
  if not study.base or study.noise.wanted == 1 then return end
  local tasks = study.noise.tasks
  for _ = 1, (M.missing(study) + 1) // 2 do tasks[#tasks + 1] = task.spawn(M.run, study, M.reserve(study)) end
end

---Waits for the repeats that have begun, whoever else waits for them.
---@param study erlua.study
function M.wait(study)
  for _, t in ipairs(study.noise.tasks) do
    local ok, message = t:wait()
    if not ok then error(message, 0) end
  end
end

---For a query over trials: what those of each machine must be above, and those of others.
---@param study erlua.study
---@param what "bar"|"mean"
---@return string levels  JSON
---@return number other
function M.levels(study, what)
  local levels, first = gains.levels(study.noise.runs, what)
  return json.encode(json.object(levels)), first
end

---The mean of the baseline's runs on this machine, or where it was run first.
---@param study erlua.study
---@return number
function M.mean(study)
  local levels, first = gains.levels(study.noise.runs, "mean")
  return levels[here(study)] or first
end

---Is a trial above the baseline by more than its noise?
---@param study erlua.study
---@param t erlua.trial
---@return boolean
function M.is_above(study, t)
  if not t.reward or #study.noise.runs == 0 then return false end
  local levels, first = gains.levels(study.noise.runs, "bar")
  return t.reward > (levels[t.host or ""] or first)
end

return M
