-- study.lua - one search and all that is known about it.  A strategy calls these
-- methods; each reads as a plain call, waits where it must, and is journaled.

local core = require("erlua.core.study")
local fs = require("erlua.core.fs")
local host = require("erlua.core.host")
local jobs = require("erlua.core.job")
local rng = require("erlua.core.rng")
local session = require("erlua.session")
local files = require("erlua.study_files")
local envs = require("erlua.env")
local llm = require("erlua.llm")
local ideas = require("erlua.ideas")
local selection = require("erlua.selection")
local trials = require("erlua.trial")
local progress = require("erlua.study_progress")

local M = {}

local Study = {}
Study.__index = Study
Study.__name = "erlua.study"

local function fail(message, exit)
  host.report(message)
  host.exit(exit or 1)
end

-- ---- opening ----------------------------------------------------------------------

local function check_options(opt)
  if type(opt) ~= "table" then error("erlua.study: a table of options expected, as erlua.options returns it", 3) end
  if not opt.env then fail("no environment: give --env NAME or DIR", 2) end
  opt.seed = opt.seed or 1
  opt.model = opt.model or "builtin:mutate"
end

-- What the command asks for, to be compared with what is on disk.
local function wanted(opt)
  local env, message = envs.load(opt.env, { preset = opt.preset })
  if not env then fail(message) end
  local script = session.running()
  local modules = files.modules()
  return { opt = opt, env = env, script = script, modules = modules, script_digest = files.script_digest(script, modules) }
end

-- What an engine that died right after the end did not get to remove.
local function clear_finished(dir)
  if not core.lock(dir) then return end
  for _, name in ipairs(fs.list(dir .. "/jobs") or {}) do
    local folder = dir .. "/jobs/" .. name
    if jobs.cancel(folder) == false then fs.remove(folder) end
  end
  core.unlock()
end

local function show_finished(dir, opt)
  local found, message = files.read(dir)
  if not found then fail(message) end
  clear_finished(dir)
  require("erlua.report").print(found.store, dir, { json = opt.json })
  host.exit(0)
end

-- The folder is chosen by what is asked for: a new study, or one to go on with.
local function open_for(opt)
  local want = wanted(opt)
  local dir, what, code = files.choose(want)
  if not dir then fail(what, code == "different" and 2 or 1) end
  if what == "finished" then show_finished(dir, opt) end
  if what == "resume" then
    local ok, message = core.lock(dir)
    if not ok then fail(message) end
    local found
    found, message = files.read(dir, "write")
    if not found then fail(message) end
    return found, want.env, "resumed"
  end
  local store, message = files.create(dir, want, os.time())
  if not store then fail(message) end
  return { dir = fs.realpath(dir), store = store, row = store:query("study")[1], options = opt }, want.env, "new"
end

-- `erlua resume` and `erlua replay` have chosen the study already.
local function open_given(opened)
  local env, message = files.snapshot_env(opened)
  if not env then fail(message) end
  return opened, env, opened.source and "replayed" or "resumed"
end

local function set_up_jobs(self)
  if self.how == "replayed" then return end
  local slots, message = jobs.setup { slots = self.opt.slots or 0, sandbox = self.opt.sandbox ~= false }
  if not slots then
    fail(message .. ". Foreign code is not run without it unless you say --no-sandbox")
  end
  if self.opt.sandbox == false then host.report("no sandbox: the jobs can read and write all that you can") end
  self.slots = slots
end

-- Job folders whose trial is done: left by an engine that died before it removed them.
local function sweep(self)
  for _, name in ipairs(fs.list(self.dir .. "/jobs") or {}) do
    local row = tonumber(name) and self.store:query("folder_done", tonumber(name))[1]
    if row then fs.remove(self.dir .. "/jobs/" .. name) end
  end
end

local function event(self, kind, text)
  self.store:write("events", { time = host.time(), kind = kind, text = text })
end

---Opens the study that the options ask for: creates it, or goes on with the newest one of
---the same script, environment and options that was not finished.
---@param opt table  from erlua.options; at least env
---@return erlua.study
function M.open(opt)
  check_options(opt)
  local given = session.opened
  local found, env, how = nil, nil, nil
  if given then found, env, how = open_given(given) else found, env, how = open_for(opt) end
  local self = setmetatable({ dir = found.dir, store = found.store, env = env, opt = opt, how = how, epoch = 0, next_id = 1 }, Study)
  local ok, message = true, nil
  if how ~= "replayed" then ok, message = files.extract(self.dir, env) end
  if not ok then fail(message) end
  set_up_jobs(self)
  if how == "resumed" then
    sweep(self)
    if opt.epochs and found.options.epochs and opt.epochs > found.options.epochs then
      found.options.epochs = opt.epochs
      files.keep_options(found.store, opt)
    end
    self.store:change("studies", { id = 1, state = "running" })
    event(self, "resumed", "erlua " .. host.version())
  elseif how == "new" then
    event(self, "begun", session.running().name .. " on " .. env.name)
  end
  local prompt = session.running().name == "repl"
  local known = core.attach(found.store, self.dir, found.row.seed, given and given.source, prompt)
  if prompt then self.next_id = found.store:query("max_ids")[1].trial + 1 end
  progress.begin(self, known)
  self.model = llm.new(opt.model, { env = env })
  self.trial_room = trials.new(self)
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

---Asks the model for ideas.  Each request: n, prompt ("first", "explore", "exploit") and parents, a
---selection of trials; without parents the prompt is "first".
---@param requests table  one request, or a list of them
---@return erlua.idea[] ideas  in order; their numbers are those of their trials
function Study:propose(requests)
  if requests.n then requests = { requests } end
  self.epoch = self.epoch + 1
  local out = {}
  for _, request in ipairs(requests) do
    local got = ideas.propose(self, request)
    for _, idea in ipairs(got) do
      idea.id, idea.epoch = self.next_id, self.epoch
      self.next_id = self.next_id + 1
      ideas.put(idea)
      out[#out + 1] = idea
    end
  end
  progress.epoch(self, self.epoch)
  return out
end

---Takes an idea through patch, jobs and evaluation.  A failure is a trial too.
---@param idea erlua.idea
---@return erlua.trial trial  with outcome, stage, reason, reward, metrics
function Study:trial(idea)
  local t = self.trial_room:run(idea)
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
  event(self, "log", line)
  host.progress(line)
end

---Ends the study: prints the report, or with --json its data.
---@return table report
function Study:report()
  if not self.finished then
    self.finished = true
    if self.how ~= "replayed" then              -- outside the logical clock: with more epochs the study goes on here
      self.store:change("studies", { id = 1, state = "finished" })
      event(self, "finished", "")
    end
  end
  progress.finish(self)
  if self.how == "replayed" then return {} end
  return require("erlua.report").print(self.store, self.dir, { json = self.opt.json, strategy = true })
end

function Study:__tostring() return "study " .. self.dir end

return M
