-- study.lua - one search and all that is known about it.  A strategy calls these
-- methods; each reads as a plain call, waits where it must, and is journaled.

local core = require("erlua.core.study")
local host = require("erlua.core.host")
local rng = require("erlua.core.rng")
local ideas = require("erlua.ideas")
local opening = require("erlua.study_open")
local models = require("erlua.study_models")
local selection = require("erlua.selection")
local trials = require("erlua.trial")
local progress = require("erlua.study_progress")
local noise = require("erlua.study_noise")
local rounds = require("erlua.study_rounds")
local scales = require("erlua.scale")

local M = {}

local Study = {}
Study.__index = Study
Study.__name = "erlua.study"

---Opens the study that the options ask for: creates it, or goes on with the newest one of
---the same script, environment and options that was not finished.
---@param opt table  from erlua.options; at least env
---@return erlua.study
function M.open(opt)
  local self = opening.open(opt, Study)            -- not a tail call: errors name the caller of this
  return self
end

-- ---- what a strategy asks ------------------------------------------------------------

-- A whole number of an option, or its default.
local function whole(options, name, default, least, where)
  local v = options and options[name]
  if v == nil then return default end
  if math.type(v) ~= "integer" or v < least then
    error(string.format("%s: %s must be a whole number from %d up, got %s", where, name, least, tostring(v)), 3)
  end
  return v
end

---The environment as it is: a trial without parents that all others are compared with.  Repeats: how many runs of it, each with
---a seed of its own, there are to be in all; those after the first run between the trials of the next epochs.
---@param options? {repeats: integer?}  repeats: 1 unless told, and then the spread of its score is not known
---@return erlua.trial
function Study:baseline(options)
  local repeats = whole(options, "repeats", 1, 1, "study:baseline")
  noise.want(self, repeats)
  if self.base then return self.base end
  local idea = { id = self.next_id, epoch = 0, prompt = "baseline", model = "none", text = "baseline", reply = "",
    parents = {} }
  self.next_id = self.next_id + 1
  ideas.put(idea)
  self.base = self.trial_room:run(idea)
  if self.base.outcome ~= "ok" then
    error("the baseline of " .. self.env.name .. " fails at " .. self.base.stage .. ": " .. self.base.outcome .. ", "
      .. self.base.reason .. ". See `erlua env " .. self.env.name .. "`", 2)
  end
  noise.first(self, self.base)
  return self.base
end

-- Ideas get their numbers all at once, in order, when nothing waits any more.
local function number(self, list, epoch)
  for _, idea in ipairs(list) do
    idea.id, idea.epoch = self.next_id, epoch
    self.next_id = self.next_id + 1
    ideas.put(idea)
  end
end

---Asks for ideas.  Each request: n, prompt ("first", "explore", "exploit") and parents, a selection of
---trials; without parents the prompt is "first".  model: who is asked instead of the study's ideator.
---@param requests table  one request, or a list of them
---@return erlua.idea[] ideas  in order; their numbers are those of their trials
function Study:propose(requests)
  if requests.n then requests = { requests } end
  rounds.catch_up(self)
  self.epoch = self.epoch + 1
  local epoch = self.epoch
  local list = ideas.propose(self, requests, epoch)
  number(self, list, epoch)
  noise.spread(self)
  progress.epoch(self, epoch)
  return list
end

---An idea that no model was asked for: a person's, or the copy of another.
---@param fields {text: string, reply: string?, parents: integer[]?, model: string?}
---@return erlua.idea
function Study:idea(fields)
  local idea = ideas.own(fields)
  number(self, { idea }, math.max(self.epoch, 1))
  return idea
end

---Lets the implementer make the change of an idea that has none, as study:trial does by itself.
---@param idea erlua.idea
---@param options? {samples: integer?, revisions: integer?, implementer: string?}
---@return string|nil reply  the change as the implementer wrote it
---@return string? message
---@return string? code  the outcome that its trial will have
function Study:implement(idea, options)
  local made = trials.make(self.trial_room, idea, options)
  if not made.changes then return nil, made.reason, made.outcome end
  return made.reply or idea.reply
end

---Takes an idea through patch, jobs and evaluation.  A failure is a trial too.
---@param idea erlua.idea
---@param options? {samples: integer?, revisions: integer?, revise_on_crash: integer?, implementer: string?}
---@return erlua.trial trial  with outcome, stage, reason, reward, metrics
function Study:trial(idea, options)
  local t = self.trial_room:run(idea, options)
  models.credit(self, idea, t, noise.is_above(self, t))
  progress.add(self, t)
  return t
end

---All finished trials, as this task sees them.
---@return erlua.selection
function Study:trials() return selection.new(self, "finished_ids") end

---Those that beat the baseline: by more than 2 standard deviations of its runs, where there is more than one.  Waits for the
---repeats that are running.
---@return erlua.selection
function Study:above_baseline()
  self:baseline()
  noise.wait(self)
  return selection.new(self, "above_ids", noise.levels(self, "bar"))
end

---The n best trials, the best first.
---@param n? integer
---@return erlua.selection
function Study:best(n) return selection.new(self, "best_ids", n or 1) end

---Runs the n best trials with fresh seeds: which of them are gains, and not luck?  The search chose them for their rewards, so
---these do not count.  Better than the mean of the baseline's runs by two standard errors of the difference is confirmed.
---@param n? integer  3 unless told
---@param options? {seeds: integer?}  3 unless told, 2 at least
---@return erlua.verdict[] verdicts  the best of the search first
function Study:confirm(n, options)
  n = whole({ n = n }, "n", 3, 0, "study:confirm")
  local seeds = whole(options, "seeds", 3, 2, "study:confirm")
  self:baseline()
  return n > 0 and rounds.confirm(self, n, seeds) or {}
end

---Runs the n best trials at another scale: do good ideas stay good there?
---@param scale string  a preset of the environment; "text:FILE" if --generalize has brought it
---@param options? {n: integer?}  10 unless told
---@return number|nil rho  Spearman's rank correlation between the rewards of the search and those there
---@return table[] runs  { trial, outcome, reward, … }
function Study:generalize(scale, options)
  local n = whole(options, "n", 10, 2, "study:generalize")
  local env, message = scales.env(self, scale)
  if not env then error("study:generalize: " .. message, 2) end
  self:baseline()
  return rounds.generalize(self, scale, n)
end

---A random number of the running task; as math.random.
---@param n? integer
---@return number
function Study:random(n)
  if n == nil then return rng.unit() end
  return rng.int(nil, n)
end

---A line for the study's diary, and on the terminal.
---@param format string
function Study:log(format, ...)
  local line = select("#", ...) > 0 and format:format(...) or format
  if host.replaying() then return end         -- outside the logical clock, as `finished` below
  opening.event(self, "log", line)
  host.progress(line)
end

---Ends the study: prints the report, or with --json its data.  With --generalize its best ideas are run at that scale first.
---@return table report
function Study:report()
  noise.wait(self)
  if not self.finished and self.opt.generalize and self.base then self:generalize(self.opt.generalize) end
  if not self.finished then
    self.finished = true
    if self.how ~= "replayed" then              -- outside the logical clock: with more epochs the study goes on here
      self.store:change("studies", { id = 1, state = "finished" })
      opening.event(self, "finished", "")
    end
  end
  progress.finish(self)
  if self.how == "replayed" then return {} end
  return require("erlua.report").print(self.store, self.dir, { json = self.opt.json, strategy = true })
end

function Study:__tostring() return "study " .. self.dir end

return M
