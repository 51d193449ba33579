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

---The environment as it is, once: a trial without parents that all others are compared with.
---@return erlua.trial
function Study:baseline()
  if self.base then return self.base end
  local idea = { id = self.next_id, epoch = 0, prompt = "baseline", model = "none", text = "baseline", reply = "", parents = {} }
  self.next_id = self.next_id + 1
  ideas.put(idea)
  self.base = self.trial_room:run(idea)
  if self.base.outcome ~= "ok" then
    error("the baseline of " .. self.env.name .. " fails at " .. self.base.stage .. ": " .. self.base.outcome .. ", "
      .. self.base.reason .. ". See `erlua env " .. self.env.name .. "`", 2)
  end
  core.update("studies", { id = 1, baseline = self.base.reward })
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
  self.epoch = self.epoch + 1
  local epoch = self.epoch
  local list = ideas.propose(self, requests, epoch)
  number(self, list, epoch)
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
  models.credit(self, idea, t)
  progress.add(self, t)
  return t
end

---All finished trials, as this task sees them.
---@return erlua.selection
function Study:trials() return selection.new(self, "finished_ids") end

---Those that ran and beat the baseline.
---@return erlua.selection
function Study:above_baseline()
  local base = self:baseline()
  return selection.new(self, "above_ids", base.reward)
end

---The n best trials, the best first.
---@param n? integer
---@return erlua.selection
function Study:best(n) return selection.new(self, "best_ids", n or 1) end

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

---Ends the study: prints the report, or with --json its data.
---@return table report
function Study:report()
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
