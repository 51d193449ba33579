-- spending.lua - what a study spends, held to its --budget: calls to models by their
-- ledger, jobs and GPU-hours as jobs end, time by the clock.  It counts over all engines
-- that have worked on the study.

local host = require("erlua.core.host")
local job = require("erlua.core.job")
local fs = require("erlua.core.fs")
local core = require("erlua.core.study")
local clock = require("erlua.core.task").clock
local scales = require("erlua.scale")
local stop = require("erlua.stop")
local text = require("erlua.text")
local units = require("erlua.units")

local M = {}

local Spending = {}
Spending.__index = Spending

-- ---- counting --------------------------------------------------------------------------------------

-- How many GPUs the jobs asked for that trained and evaluated, in the search or at another scale.
local function gpus_of(study, scale)
  local env = scale and scales.env(study, scale) or study.env
  return env.limits.gpus
end

local function count(self, jobs, on_gpus, gpus, wall_s)
  if gpus > 0 then self.gpu_jobs = self.gpu_jobs + on_gpus end
  self.budget:spend { jobs = jobs, gpu_hours = wall_s * gpus / 3600 }
end

-- Jobs of earlier engines.  One that was begun and has not ended is counted when it ends;
-- until then nobody may start in its place.
local function load_jobs(self, study)
  self.known, self.gpu_jobs, self.open, self.begun = 0, 0, {}, 0
  for _, sum in ipairs(self.store:query("jobs_spent")) do
    count(self, sum.n, sum.on_gpus, gpus_of(study, sum.preset), sum.wall_s)
    self.known = math.max(self.known, sum.last)
  end
  for _, row in ipairs(self.store:query("open_jobs")) do
    self.open[row.id] = true
    if fs.exists(self.dir .. "/jobs/" .. row.id .. "/started") then self.begun = self.begun + 1 end
  end
end

local function load_time(self)
  local row = self.store:query("ran")[1]
  self.before, self.began, self.noted = row.seconds, clock(), -math.huge
  self.run = row.last + 1
end

---@param study erlua.study  attached, and not replayed offline
---@param limits table  of budget.parse
function M.begin(study, limits)
  local ledger = require("erlua.llm.ledger").new(study.store, limits)
  local self = setmetatable({ store = study.store, dir = study.dir, ledger = ledger, budget = ledger.budget }, Spending)
  stop.of(study)
  load_jobs(self, study)
  load_time(self)
  local opt, waits = study.opt, core.state() ~= "off"
  require("erlua.llm.gate").configure { concurrency = opt.concurrency, rpm = opt.rpm, tpm = opt.tpm,
    patience = waits and units.seconds(opt.patience or "6h") or nil,
    time_left = waits and limits.wall and function() return self:time_left() end or nil }
  require("erlua.llm.room").begin(ledger, waits)
  ledger.before_call = function() self:tick() end
  local left = waits and limits.wall and limits.wall - self.before or 0
  if left > 0 then host.at_time(left, function() self:time_is_over() end) end
  self:allow()
  return self
end

-- ---- while it runs ---------------------------------------------------------------------------------

-- Jobs that are begun and not counted yet: those that run, and those that have ended beside the one that is being counted.
local function uncounted()
  local running, _, _, ended = job.slots()
  return running + ended
end

-- How many more jobs may start, or nil for any number; and which limit says so.
function Spending:jobs_left()
  local limits, used, running = self.budget.limits, self.budget.used, math.max(uncounted(), self.begun)
  local least, name
  local function at_most(n, which)
    if not least or n < least then least, name = math.max(0, n), which end
  end
  if limits.jobs then at_most(math.floor(limits.jobs - used.jobs) - running, "jobs") end
  if limits.gpu_hours and self.gpu_jobs > 0 and used.gpu_hours > 0 then
    at_most(math.floor((limits.gpu_hours - used.gpu_hours) / (used.gpu_hours / self.gpu_jobs)) - running, "gpu_hours")
  end
  if limits.wall and used.wall >= limits.wall then at_most(0, "wall") end
  return least, name
end

-- Jobs beyond a limit stay in the queue, and the study stops when nothing else is left to do.
function Spending:allow()
  local left, name = self:jobs_left()
  job.allow(left)
  if left == 0 and uncounted() == 0 then stop.study(self.budget:spent_message(name)) end
end

-- Nothing new starts.  What runs may go on for long, so it is said now and not only at the end.
function Spending:time_is_over()
  self:tick()
  local limits, used = self.budget.limits, self.budget.used
  used.wall = math.max(used.wall, limits.wall)
  job.allow(0)
  local message, running = self.budget:spent_message("wall"), uncounted()
  self.over = "budget spent: waiting for what runs"
  if running > 0 then host.report(message .. "; " .. text.count(running, "running job goes", "running jobs go") .. " on to the end") end
  stop.study(message)
end

---Time goes on; it is noted now and then, so that the next engine knows.
function Spending:tick()
  local now = clock()
  self.budget.used.wall = self.before + now - self.began
  if now - self.noted < 1 or host.replaying() then return end
  self.noted = now
  self.store:write("events", { id = self.run, time = host.time(), kind = "ran",
    text = string.format("%.3f", now - self.began) })
end

---Seconds until --budget wall=… is over, by which the study stops: calls that wait for a model are
---not to hold it any longer.
---@return number
function Spending:time_left()
  self:tick()
  local left = self.budget.limits.wall - self.budget.used.wall
  if left <= 0 then stop.study(self.budget:spent_message("wall")) end
  return left
end

---A job has ended; one of an earlier engine that was counted already is not counted again.
---@param id integer
---@param gpus integer  that it had
---@param result table
function Spending:job_ended(id, gpus, result)
  if id <= self.known and not self.open[id] then return end
  if self.open[id] then self.open[id], self.begun = nil, math.max(0, self.begun - 1) end
  count(self, 1, 1, gpus, result.wall_s or 0)
  self:tick()
  self:allow()
end

---fn is called whenever a call to a model has ended.
function Spending:on_call(fn)
  self.ledger.after_call = function()
    self:tick()
    fn()
  end
end

---What the study waits for: the end, or calls a model that does not answer.
---@return string|nil
function Spending:note() return self.over or require("erlua.llm.gate").note() end

---"$3.12/20  412 calls", for the progress line.
---@return string|nil
function Spending:line()
  self:tick()
  return self.budget:line()
end

return M
