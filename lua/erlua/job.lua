-- job.lua - one command as a job: sandboxed, limited, in a slot, adopted after a kill.

local core = require("erlua.core.job")
local study = require("erlua.core.study")
local task = require("erlua.core.task")
local fs = require("erlua.core.fs")
local host = require("erlua.core.host")
local json = require("erlua.json")
local check = require("erlua.env_check")

local M = {}

local Job = {}
Job.__index = Job
Job.__name = "erlua.job"

local FIELDS = { files = "table", env = "table", limits = "table", read = "table", dir = "string", gpus = "number",
  artifact = "string", binds = "table", metrics = "boolean", curve = "boolean" }

local function check_spec(spec)
  if type(spec) ~= "table" or type(spec[1]) ~= "string" then
    error("erlua.job: a table with the program and its arguments expected: erlua.job { \"python3\", \"train.py\", files = {…} }", 3)
  end
  for name, v in pairs(spec) do
    if type(name) == "string" and type(v) ~= FIELDS[name] then
      error("erlua.job: " .. (FIELDS[name] and "field '" .. name .. "' must be a " .. FIELDS[name] or "unknown field '" .. name .. "'"), 3)
    end
  end
end

local function variables(env)
  local out = {}
  for name, v in pairs(env or {}) do out[#out + 1] = name .. "=" .. tostring(v) end
  return out
end

local function folder(id)
  local dir = study.dir()
  if dir then return dir .. "/jobs/" .. id end
  return (os.getenv("TMPDIR") or "/tmp") .. "/erlua-" .. host.pid() .. "/" .. id
end

local function run(spec)
  local limits, message = check.limits(spec.limits)
  if not limits then error("erlua.job: " .. message, 0) end
  local id = core.next_id()
  local work, binds = {}, {}
  for path, file in pairs(spec.files or {}) do
    work[#work + 1] = type(file) == "table" and { path = path, from = file.from } or { path = path, bytes = file }
  end
  for _, b in ipairs(spec.binds or {}) do binds[#binds + 1] = b end
  for _, path in ipairs(spec.read or {}) do binds[#binds + 1] = { host = path, inside = path } end
  local argv = table.move(spec, 1, #spec, 1, {})
  local dir = spec.dir or folder(id)
  if study.dir() then study.put("jobs", { id = id, stage = "job", path = core.path(), seq = core.seq() + 1, folder = dir }) end
  local result = core.run { id = id, dir = dir, argv = argv, env = variables(spec.env), work = work, binds = binds,
    limits = limits, gpus = spec.gpus or 0, artifact = spec.artifact, metrics = spec.metrics, curve = spec.curve ~= false,
    inspect = spec.artifact == nil, key = json.encode { argv, spec.files or {}, spec.env or {} } }
  result.dir = dir
  if study.dir() then study.update("jobs", { id = id, ended = result.ended, exit_code = result.exit_code, signal = result.signal,
    reason = result.reason, starts = result.starts, wall_s = result.wall_s, cpu_s = result.cpu_s, log = result.log }) end
  return result
end

---Starts a command as a job and returns at once; it waits for a slot by itself.
---@param spec table  { program, args…, files = {path = bytes or {from = path}}, env = {NAME = value}, limits = {wall = "10m", memory = "2G", …},
---  read = {paths}, gpus = n, metrics = true (it may write $ERLUA_METRICS), artifact = folder (read-only $ERLUA_OUT), dir = its folder, binds = {{host=, inside=}} }
---@return erlua.job job  with :wait() and :cancel()
function M.start(spec)
  check_spec(spec)
  local slots, message, code = core.setup { slots = 0, sandbox = true }
  if not slots then return nil, message, code end
  return setmetatable({ task = task.spawn(run, spec) }, Job)
end

---Waits for its end.
---@return table|nil result  ended ("exit", "timeout", "oom", …), exit_code, signal, reason, wall_s, cpu_s, peak_memory, log, metrics, dir
---@return string? message
---@return string? code
function Job:wait()
  local ok, result = self.task:wait()
  if not ok then return nil, tostring(result), "job" end
  return result
end

---Ends it, with all its processes.
function Job:cancel() self.task:cancel() end

function Job:__tostring() return "job (" .. tostring(self.task) .. ")" end

---Removes the folder of a job that has ended, outside a study.
function M.clear(result) return fs.remove(result.dir) end

return M
