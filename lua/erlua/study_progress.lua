-- study_progress.lua - a study's line on the terminal, or plain lines where there is none.

local host = require("erlua.core.host")
local job = require("erlua.core.job")
local clock = require("erlua.core.task").clock
local progress = require("erlua.progress")
local scales = require("erlua.scale")

local M = {}

local TERMINAL, PLAIN = 0.1, 10        -- seconds between two lines
local SEEDS = 3                        -- of study:confirm, unless told

-- How many trials there will be, where the script says so by its options.
local function total_of(opt)
  local declared = require("erlua.session").declared
  return declared.epochs and declared.batch and opt.epochs * opt.batch or nil
end

-- How often trials will be run again at the end, where the script says so by its options.
local function confirmations(opt)
  local n = require("erlua.session").declared.confirm and opt.confirm
  return math.type(n) == "integer" and n * SEEDS or 0
end

---The first line, and the counters of all later ones.
---@param study erlua.study
---@param resumed boolean
function M.begin(study, resumed)
  local s = progress.new { total = total_of(study.opt), slots = study.slots, now = clock() }
  s.epochs, s.and_then = study.opt.epochs, study.opt.generalize and scales.words(study.opt.generalize)
  s.reruns_expected = confirmations(study.opt)
  study.progress, study.shown = s, clock()
  study.quiet = study.opt.json or study.how == "replayed"
  if study.spending then study.spending:on_call(function() M.touch(study) end) end
  if study.quiet then return end
  host.progress("erlua: " .. (resumed and "resuming " or "study ") .. study.dir)
end

local function show(study, now)
  local columns = host.terminal(2)
  local s = study.progress
  if s.slots then s.busy = (job.slots()) end
  if study.spending then s.spent, s.note = study.spending:line(), study.spending:note() or study.rerun_note end
  study.shown = now
  if columns then host.status(progress.line(s:stats(now), columns - 1))
  else host.progress(progress.plain(s:stats(now))) end
end

---A new epoch has begun.
function M.epoch(study, epoch)
  local s = study.progress
  s.epoch = epoch
  if s.epochs and epoch > s.epochs then s.epochs = nil end      -- a strategy that proposes as it pleases
end

---Something has changed; shows the line if the last one is old enough.
---@param study erlua.study
function M.touch(study)
  if study.quiet or host.replaying() then return end
  local now = clock()
  if now - study.shown >= (host.terminal(2) and TERMINAL or PLAIN) then show(study, now) end
end

---A trial has ended.
---@param study erlua.study
---@param trial erlua.trial
function M.add(study, trial)
  study.progress:add(trial, host.replaying())
  M.touch(study)
end

---The baseline is to be run so often.
---@param study erlua.study
---@param more integer  than was known
function M.expect(study, more) study.progress.reruns_expected = study.progress.reruns_expected + more end

---A trial's change has run again, in the search or to confirm it.
---@param study erlua.study
function M.add_rerun(study) study.progress:add_rerun(host.replaying()) end

---How far a round of re-runs is; without words it is over.
---@param study erlua.study
---@param words? string  "confirming 3 trials"
---@param done? integer
---@param of? integer
function M.rerun(study, words, done, of)
  study.rerun_note = words and string.format("%s: %d/%d", words, done, of)
  if words and done == 0 and of > 0 and not study.quiet and not host.replaying() then
    host.progress("erlua: " .. words .. ", " .. require("erlua.text").count(of, "run"))
  end
  M.touch(study)
end

---Takes the line away before the report; without a terminal the last state is printed.
---@param study erlua.study
function M.finish(study)
  if study.quiet then return end
  host.status("")
  if not host.terminal(2) then show(study, clock()) end
end

return M
