-- trial.lua - one idea through patch, check, train and evaluate to an outcome.
-- Every end is an outcome with a stage and a reason; nothing is raised for a failure.

local core = require("erlua.core.study")
local fs = require("erlua.core.fs")
local json = require("erlua.json")
local jobs = require("erlua.stage")
local artifacts = require("erlua.artifacts")
local implement = require("erlua.implement")
local models = require("erlua.study_models")
local outcomes = require("erlua.outcome")

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

local function put_patch(t, made)
  local files = 0
  for _ in pairs(made.changes) do files = files + 1 end
  t.patch = made.digest or fs.sha256(made.diff)
  core.put("patches", { digest = t.patch, diff = made.diff, files = files, added = made.added, removed = made.removed })
end

local function finish(room, t)
  t.log = nil
  core.update("trials", { id = t.id, outcome = t.outcome, stage = t.stage, reason = t.reason, reward = t.reward,
    metrics = t.metrics and json.encode(t.metrics), patch = t.patch, wall_s = t.wall_s, host = t.host,
    trusted = t.trusted, review = t.review, done = core.tick() })
  artifacts.keep(room.study, t)
  room.stages:clear(t)
  t.folders = nil
  return t
end

-- ---- the change ------------------------------------------------------------------------

-- The trial of an idea: begun by study:implement, if that comes first.
local function begin(idea)
  local t = idea.begun or setmetatable({ id = idea.id, epoch = idea.epoch, idea = idea.text, prompt = idea.prompt,
    parents = idea.parents, stage = "patch", wall_s = 0.0, trusted = true, jobs = {}, folders = {} }, Trial)
  idea.begun = t
  return t
end

-- Runs the check on a sample of a trial: an outcome, a reason and a log, or nothing if it passed.
local function check_sample(room, t, made)
  local sample = setmetatable({ patch = made.digest, changes = made.changes, wall_s = 0.0 }, { __index = t })
  local outcome, reason = outcomes.check(room, sample)
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
  t.changes = made.changes
  t.outcome, t.reason = outcomes.run(room, t, made.work ~= nil)
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
  row.trusted = row.trusted ~= 0
  return setmetatable(row, Trial)
end

return M
