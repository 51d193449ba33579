-- study_open.lua - opening a study: finding or creating its folder, taking its lock, setting
-- up its jobs, its budget and its models.

local core = require("erlua.core.study")
local fs = require("erlua.core.fs")
local host = require("erlua.core.host")
local jobs = require("erlua.core.job")
local session = require("erlua.session")
local files = require("erlua.study_files")
local snapshot = require("erlua.study_snapshot")
local envs = require("erlua.env")
local models = require("erlua.study_models")
local check = require("erlua.study_check")
local spending = require("erlua.spending")
local prompts = require("erlua.prompt")
local trials = require("erlua.trial")
local progress = require("erlua.study_progress")
local noise = require("erlua.study_noise")
local rounds = require("erlua.study_rounds")
local scales = require("erlua.scale")

local M = {}

local opened = false            -- has this program a study?

-- A program cannot go on without its study; at the prompt it is the line that fails.
local function fail(message, exit)
  if host.args()[1] == nil then
    if not opened then core.unlock() end
    error(message, 0)
  end
  host.report(message)
  host.exit(exit or 1)
end

local function check_options(opt)
  if type(opt) ~= "table" then error("erlua.study: a table of options expected, as erlua.options returns it", 4) end
  if not opt.env then fail("no environment: give --env NAME or DIR", 2) end
  opt.seed = opt.seed or 1
  opt.model = opt.model or "builtin:mutate"
end

-- What the command asks for, to be compared with what is on disk.
local function wanted(opt)
  local env, message = envs.load(opt.env, { preset = opt.preset, text = opt.text, sandbox = opt.sandbox, slots = opt.slots })
  if not env then fail(message) end
  local scale
  if opt.generalize then
    scale, message = scales.find(env, opt)
    if not scale then fail("--generalize: " .. message, 2) end
  end
  local templates
  templates, message = prompts.all()
  if not templates then fail(message) end
  local script = session.running()
  local modules = files.modules()
  return { opt = opt, env = env, prompts = templates, script = script, modules = modules, scale = scale,
    script_digest = files.script_digest(script, modules) }
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

-- Exit 2 for models that cannot be asked and budgets that cannot be kept, before anything is made.
local function check_models(opt)
  local limits, message = check.options(opt)
  if not limits then fail(message, 2) end
  return limits
end

-- The folder is chosen by what is asked for: a new study, or one to go on with.
local function open_for(opt)
  local want = wanted(opt)
  local dir, what, code = files.choose(want)
  if not dir then fail(what, code == "different" and 2 or 1) end
  if what == "finished" then show_finished(dir, opt) end
  local limits = check_models(opt)
  if what == "resume" then
    local ok, message = core.lock(dir)
    if not ok then fail(message) end
    local found
    found, message = files.read(dir, "write")
    if not found then fail(message) end
    return found, want.env, "resumed", limits
  end
  local store, message = files.create(dir, want, os.time())
  if not store then fail(message) end
  return { dir = fs.realpath(dir), store = store, row = store:query("study")[1], options = opt }, want.env, "new", limits
end

-- `erlua resume` and `erlua replay` have chosen the study already.
local function open_given(opened, opt)
  local limits = not opened.source and check_models(opt) or nil
  local env, message = snapshot.env(opened)
  if not env then fail(message) end
  local other = opened.source and {} or files.other_options(opened, opt)
  if #other > 0 then
    host.report(table.concat(other, "; ") .. ". If the study does not match its journal so, go on without that; --epochs may be raised")
  end
  return opened, env, opened.source and "replayed" or "resumed", limits
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

---A line of the study's diary.
function M.event(self, kind, text)
  self.store:write("events", { time = host.time(), kind = kind, text = text })
end

---Opens the study that the options ask for: creates it, or goes on with the newest one of
---the same script, environment and options that was not finished.
---@param opt table  from erlua.options; at least env
---@param class table  the metatable of what is opened
---@return erlua.study
function M.open(opt, class)
  check_options(opt)
  if opened then error("a program has one study, and it has been opened already", 3) end      -- before another folder is made
  local given = session.opened
  local found, env, how, limits
  if given then found, env, how, limits = open_given(given, opt) else found, env, how, limits = open_for(opt) end
  local self = setmetatable({ dir = found.dir, store = found.store, env = env, opt = opt, how = how, epoch = 0,
    next_id = 1 }, class)
  local ok, message = true, nil
  if how ~= "replayed" then ok, message = snapshot.extract(self.dir, env, opt) end
  if ok and how == "resumed" and opt.generalize then ok, message = scales.env(self, opt.generalize) end
  if not ok then fail(message) end
  set_up_jobs(self)
  if how == "resumed" then
    sweep(self)
    if files.options_changed(found, opt) then files.keep_options(found.store, opt) end
    self.store:change("studies", { id = 1, state = "running" })
    M.event(self, "resumed", "erlua " .. host.version())
  elseif how == "new" then
    M.event(self, "begun", session.running().name .. " on " .. env.name)
  end
  local prompt = session.running().name == "repl"
  local known = core.attach(found.store, self.dir, found.row.seed, given and given.source, prompt)
  if prompt then self.next_id = found.store:query("max_ids")[1].trial + 1 end
  if how ~= "replayed" then self.spending = spending.begin(self, limits) end
  progress.begin(self, known)
  models.begin(self)
  self.trial_room = trials.new(self)
  noise.begin(self)
  rounds.begin(self, given and given.source or self.store)
  opened = true
  return self
end

return M
