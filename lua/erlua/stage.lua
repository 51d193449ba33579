-- stage.lua - the jobs of a trial: check, train, evaluate.  What each may see and
-- write is decided here; how it is held to that is the job room's business.

local core = require("erlua.core.study")
local fs = require("erlua.core.fs")
local host = require("erlua.core.host")
local job = require("erlua.core.job")
local json = require("erlua.json")
local stop = require("erlua.stop")

local M = {}

local Stages = {}
Stages.__index = Stages

-- Limits in the form of a job; the same table for every trial.
local function limits_of(env, with_budget)
  local out = {}
  for name, v in pairs(env.limits) do out[name] = v end
  if with_budget and env.budget then out.budget, out.budget_is_cpu = env.budget.seconds, env.budget.cpu end
  return out
end

local function seed_of(seed) return "ERLUA_SEED=" .. seed end

-- The seed stands first, where a re-run has its own.
local function variables_of(env, seed)
  local out = { seed_of(seed) }
  if env.preset then out[#out + 1] = "ERLUA_PRESET=" .. env.preset end
  if env.budget then
    out[#out + 1] = string.format("ERLUA_BUDGET=%.14g", env.budget.seconds)
    out[#out + 1] = "ERLUA_BUDGET_CLOCK=" .. (env.budget.cpu and "cpu" or "wall")
  end
  return out
end

local function holds(folder, path) return (path .. "/"):sub(1, #folder + 1) == folder .. "/" end

-- What env.lua lets the jobs read must not show them the study or the evaluation's data.
local function check_read(study, env)
  for _, path in ipairs(env.read) do
    local real, shown = fs.realpath(path) or path, nil
    if holds(real, study.dir) or holds(study.dir, real) then shown = "the study's folder " .. study.dir end
    for _, name in ipairs(env.data_files) do
      local file = env.big[name] and env.big[name].source or env.dir and env.dir .. "/" .. name
      if file and holds(real, file) then shown = file .. ", which only the evaluation may see" end
    end
    if shown then error("env.lua: field 'read': " .. path .. " shows the jobs " .. shown, 0) end
  end
end

---@param study erlua.study
---@param env? erlua.env  the study's own, or the same with another preset
function M.new(study, env)
  env = env or study.env
  if study.how ~= "replayed" then check_read(study, env) end
  local self = setmetatable({ study = study, env = env, dir = study.dir, sandbox = study.opt.sandbox ~= false,
    frozen = {}, data = {}, binds = {}, pristine = {}, stamps = {}, variables = variables_of(env, study.opt.seed), limits = limits_of(env, false),
    train_limits = limits_of(env, true) }, Stages)
  for path in pairs(env.pristine) do self.pristine[#self.pristine + 1] = path end
  for _, path in ipairs(env.frozen_files) do self.frozen[#self.frozen + 1] = { path = path, from = self:source(path) } end
  for _, path in ipairs(env.data_files) do self.data[#self.data + 1] = { path = path, from = self:source(path) } end
  for _, path in ipairs(env.read) do self.binds[#self.binds + 1] = { host = path, inside = path } end
  for path, big in pairs(env.big) do self.stamps[path] = fs.stamp(big.source) end
  self:set_up_evaluation()
  return self
end

-- Where a file of the environment stands on this machine: the study's own copy, or
-- the original of one that is too large to be copied.
function Stages:source(path)
  local big = self.env.big[path]
  return big and big.source or self.dir .. "/snapshot/" .. path
end

-- The evaluation sees the data as well, in $ERLUA_DATA.
function Stages:set_up_evaluation()
  self.eval_binds = table.move(self.binds, 1, #self.binds, 1, {})
  for _, f in ipairs(self.data) do
    table.insert(self.eval_binds, { host = f.from, inside = "/erlua/data/" .. f.path, data = true })
  end
end

-- The workspace: the editable files as the patch wants them, the frozen ones bound.
function Stages:work(t)
  if t.work then return t.work end
  local out = {}
  for _, path in ipairs(self.pristine) do
    local changed = t.changes[path]
    if changed ~= false then out[#out + 1] = { path = path, bytes = changed or self.env.pristine[path] } end
  end
  for path, bytes in pairs(t.changes) do
    if bytes and not self.env.pristine[path] then out[#out + 1] = { path = path, bytes = bytes } end
  end
  t.work = table.move(self.frozen, 1, #self.frozen, #out + 1, out)
  return out
end

-- The variables of a re-run, which has a seed of its own.
local function reseeded(variables, seed)
  local out = table.move(variables, 1, #variables, 1, {})
  out[1] = seed_of(seed)
  return out
end

-- Outside the sandbox a job could write to large files, which lie elsewhere.  The study stops before another job sees one that is
-- not what it began with; when it goes on, those that were made are made again.
function Stages:check_big()
  if self.sandbox or host.replaying() then return end
  for path, big in pairs(self.env.big) do
    local stamp = fs.stamp(big.source) or "gone"
    if stamp ~= self.stamps[path] and fs.sha256_file(big.source) ~= big.digest then
      return stop.study(string.format("%s (%s of the environment) has changed while the study ran, perhaps by a job, for there is "
        .. "no sandbox. The last scores may be wrong", big.source, path), "now")
    end
    self.stamps[path] = stamp
  end
end

-- What tells this job from others in the journal.
local function key_of(self, t, stage)
  if not t.rerun then return json.encode { t.id, stage, t.patch, self.env.digest } end
  return json.encode { t.id, stage, t.patch, self.env.digest, t.rerun, t.seed, self.env.preset or "" }
end

-- Runs a job of trial t and keeps its row; the result is the supervisor's word.  Instead of a
-- trial it takes one of its samples, which share its number, jobs and folders, or a re-run,
-- whose jobs are not the trial's.
function Stages:run(t, stage, spec)
  local id = job.next_id()
  spec.id, spec.dir = id, self.dir .. "/jobs/" .. id
  spec.key = key_of(self, t, stage)
  self:check_big()
  if t.seed then spec.env = reseeded(spec.env, t.seed) end
  t.jobs[stage] = id                           -- the last of its kind; the folders of all go in the end
  t.folders[#t.folders + 1] = id
  core.put("jobs", { id = id, trial = not t.rerun and t.id or nil, rerun = t.rerun, stage = stage, path = job.path(), seq = job.seq() + 1, folder = "jobs/" .. id })
  local r = job.run(spec)
  core.update("jobs", { id = id, ended = r.ended, exit_code = r.exit_code, signal = r.signal, reason = r.reason,
    starts = r.starts, wall_s = r.wall_s, cpu_s = r.cpu_s, peak_memory = r.peak_memory, log = r.log })
  if self.study.spending then self.study.spending:job_ended(id, spec.gpus or 0, r) end
  return r, id
end

function Stages:check(t)
  return self:run(t, "check", { argv = self.env.check_command, work = self:work(t), env = self.variables, binds = self.binds,
    limits = self.limits })
end

function Stages:train(t)
  return self:run(t, "train", { argv = self.env.train_command, work = self:work(t), env = self.variables, binds = self.binds,
    limits = self.train_limits, gpus = self.env.limits.gpus, curve = true, inspect = true })
end

-- Frozen files, the patch's files and the data; nothing that training wrote but its
-- artifact, read-only.
function Stages:evaluate(t)
  return self:run(t, "evaluate", { argv = self.env.evaluate_command, work = self:work(t), env = self.variables,
    binds = self.eval_binds, metrics = true, artifact = self.dir .. "/jobs/" .. t.jobs.train .. "/out", limits = self.limits,
    gpus = self.env.limits.gpus })
end

---The folders of a trial that is done go with the commit of its outcome.
function Stages:clear(t)
  for _, id in ipairs(t.folders) do core.after_commit(self.dir .. "/jobs/" .. id) end
end

return M
