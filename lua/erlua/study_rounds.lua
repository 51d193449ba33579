-- study_rounds.lua - rounds of re-runs at the end of a search: are its best trials gains, and do
-- they rank alike at another scale?  Each round has a row, so that a study whose epochs are
-- raised later goes through it again, as it was, before it goes on.

local core = require("erlua.core.study")
local tasks = require("erlua.tasks")
local gains = require("erlua.gains")
local noise = require("erlua.study_noise")
local progress = require("erlua.study_progress")
local rerun = require("erlua.rerun")
local scales = require("erlua.scale")
local text = require("erlua.text")

local M = {}

local MOVES = 3                -- how often a round begins again because the study has come to another machine
local ANY = -math.huge         -- a reward that all are above

-- ---- rounds ------------------------------------------------------------------------------

local function load(study, run)
  if not run.outcome then return end
  if run.purpose == "confirm" then
    local known = study.confirmed[run.trial] or {}
    known[#known + 1], study.confirmed[run.trial] = run, known
  elseif run.purpose == "generalize" then
    study.scaled[run.preset] = study.scaled[run.preset] or {}
    study.scaled[run.preset][run.trial] = run
  end
end

---@param study erlua.study
---@param store erlua.store  what was recorded so far: of the study that is replayed
function M.begin(study, store)
  study.rounds = store:query("rounds")
  study.round, study.next_rerun, study.confirmed, study.scaled = 0, 0, {}, {}
  if core.state() ~= "off" then return end
  local last = store:query("max_ids")[1]           -- at the prompt the study goes on behind what is there
  study.round, study.next_rerun = last.round, last.rerun
  for _, run in ipairs(store:query("reruns")) do load(study, run) end
end

local function begin_round(study, kind, n, seeds, preset)
  study.round = study.round + 1
  local recorded, tick = study.rounds[study.round], core.tick()
  core.put("rounds", { id = study.round, kind = kind, epoch = study.epoch, n = n, seeds = seeds, preset = preset,
    tick = recorded and recorded.tick or tick })
end

-- Runs all of `work` at once, slots bound them; the line on the terminal says how far it is.
local function run_all(study, words, work)
  local done = 0
  progress.rerun(study, words, done, #work)
  tasks.map(work, function(w)
    w()
    done = done + 1
    progress.rerun(study, words, done, #work)
  end)
  progress.rerun(study)
end

-- b's items between those of a, at even distances.
local function woven(a, b)
  local out, taken = {}, 0
  for i = 0, #a do
    while taken < #b and (taken + 0.5) * #a <= i * #b do
      taken = taken + 1
      out[#out + 1] = b[taken]
    end
    out[#out + 1] = a[i + 1]
  end
  return table.move(b, taken + 1, #b, #out + 1, out)
end

-- The n best trials, one of each patch, that are above the level.
local function candidates(study, n, levels, other)
  local ids, message = study.store:columns("candidates", core.tick(), levels, other, n)
  if not ids then error(message, 0) end
  local list = {}
  for i, id in ipairs(ids) do list[i] = study.trial_room:read(id) end
  return list
end

-- ---- confirmation ------------------------------------------------------------------------

local function has_run(runs, seed)
  for _, run in ipairs(runs) do
    if run.seed == seed then return true end
  end
  return false
end

-- What is still to be run on this machine: each trial with each seed, and the baseline often enough.
local function missing(study, list, seeds)
  local runs, base = {}, {}
  for k = 1, seeds do
    local seed = rerun.seed(study, "confirm", k)
    for _, t in ipairs(list) do
      local known = study.confirmed[t.id]
      if not has_run(gains.on(known, study.host), seed) then
        runs[#runs + 1] = function() rerun.keep(known, rerun.run(study, { trial = t.id, purpose = "confirm", seed = seed })) end
      end
    end
  end
  for _ = 1, #list > 0 and noise.missing(study, seeds) or 0 do
    local reserved = noise.reserve(study)
    base[#base + 1] = function() noise.run(study, reserved) end
  end
  return woven(runs, base)
end

local function verdicts(study, list)
  local out = {}
  for i, t in ipairs(list) do
    out[i] = gains.judge(study.confirmed[t.id], study.noise.runs)
    out[i].trial = t
  end
  return out
end

---Runs the n best trials that are above the baseline's mean with fresh seeds, and the baseline as often.
---@param study erlua.study
---@param n integer
---@param seeds integer  two at least
---@return table[] verdicts  of gains.judge, each with its trial; the best of the search first
function M.confirm(study, n, seeds)
  noise.wait(study)
  begin_round(study, "confirm", n, seeds)
  local list = candidates(study, n, noise.levels(study, "mean"))
  for _, t in ipairs(list) do study.confirmed[t.id] = study.confirmed[t.id] or {} end
  for _ = 1, MOVES do
    local work = missing(study, list, seeds)
    if #work == 0 then break end
    run_all(study, "confirming " .. text.count(#list, "trial"), work)
  end
  return verdicts(study, list)
end

-- ---- another scale -----------------------------------------------------------------------

---Runs the n best trials, and the baseline, once at another scale.
---@param study erlua.study
---@param scale string
---@param n integer
---@return number|nil rho  Spearman's rank correlation between the rewards of the search and those
---@return table[] runs  of rerun.run, in the order of the search's rewards
function M.generalize(study, scale, n)
  noise.wait(study)
  begin_round(study, "generalize", n, 1, scale)
  local list = candidates(study, n, "{}", ANY)
  local seed, work, known = rerun.seed(study, "generalize", 1), {}, study.scaled[scale] or {}
  study.scaled[scale] = known
  for _, t in ipairs(table.move(list, 1, #list, 2, { study.base })) do
    work[#work + 1] = not known[t.id] and function()
      known[t.id] = rerun.run(study, { trial = t.id, purpose = "generalize", seed = seed, preset = scale })
    end or nil
  end
  run_all(study, scales.words(scale), work)
  local runs, rewards = {}, {}
  for i, t in ipairs(list) do
    runs[i] = known[t.id]
    if runs[i].reward then rewards[#rewards + 1] = { t.reward, runs[i].reward } end
  end
  return gains.correlation(rewards), runs
end

-- ---- raised epochs -----------------------------------------------------------------------

local KINDS = {
  confirm = function(study, r) M.confirm(study, r.n, r.seeds) end,
  generalize = function(study, r) M.generalize(study, r.preset, r.n) end,
}

---A new epoch begins.  Where the study once had its end, the rounds that it had there come first: all that they ran is in
---the journal.
---@param study erlua.study
function M.catch_up(study)
  while true do
    local r = study.rounds[study.round + 1]
    if not r or r.epoch ~= study.epoch then return end
    while core.tick() < r.tick - 1 do end            -- what the script read before that round and does not read now
    KINDS[r.kind](study, r)
  end
end

return M
