-- machine.lua - what this machine offers to a search, as data: sandbox, limits, GPUs,
-- Slurm, keys by name, erlua's own sources.

local host = require("erlua.core.host")
local fs = require("erlua.core.fs")
local job = require("erlua.core.job")
local exec = require("erlua.core.exec")
local json = require("erlua.json")

local M = {}

local KEYS = { "ANTHROPIC_API_KEY", "OPENAI_API_KEY" }
local SLURM = { "sbatch", "squeue", "sacct", "scancel" }
local LIMITS = { "wall", "cpu", "memory", "processes", "disk", "output" }

-- The first line that a program prints, or nil and why not.
local function says(...)
  local r, message = exec { timeout = 20, ... }
  if not r then return nil, message end
  local line = r.stdout:match("^[^\n]+") or r.stderr:match("^[^\n]+")
  if r.code ~= 0 then return nil, line or "exit code " .. r.code end
  return line
end

local function or_null(v) if v == nil then return json.null end return v end

local function sandbox(probe)
  return { works = probe.sandbox_error == nil, reason = or_null(probe.sandbox_error),
    bubblewrap = or_null(says("bwrap", "--version")) }
end

local function gpus()
  local r = exec { "nvidia-smi", "--query-gpu=index,name,memory.total", "--format=csv,noheader", timeout = 20 }
  local list = {}
  if not r or r.code ~= 0 then
    local said = r and (r.stdout .. r.stderr):match("[^\n]+")
    return list, r and "nvidia-smi fails: " .. (said or "exit code " .. r.code) or "nvidia-smi is not there"
  end
  for line in r.stdout:gmatch("[^\n]+") do
    local index, name, memory = line:match("^%s*(.-)%s*,%s*(.-)%s*,%s*(.-)%s*$")
    if index then list[#list + 1] = { index = index, name = name, memory = memory } end
  end
  return list, #list == 0 and "nvidia-smi lists none" or nil
end

local function slurm()
  local out = {}
  for _, name in ipairs(SLURM) do out[name] = says("sh", "-c", "command -v " .. name) ~= nil end
  return out
end

local function keys()
  local out = {}
  for _, name in ipairs(KEYS) do out[name] = (os.getenv(name) or "") ~= "" end
  return out
end

-- Where erlua's Lua half is read from; a file that a folder lacks comes from the binary.
local function sources()
  local dir = fs.own_dir()
  if not dir then return { from = "embedded", dir = json.null } end
  if not fs.exists(dir .. "/lua/erlua/init.lua") then return { from = "embedded", dir = dir } end
  return { from = "folder", dir = dir }
end

local function memory()
  local text = fs.read("/proc/meminfo") or ""
  local kb = tonumber(text:match("MemTotal:%s*(%d+)"))
  return or_null(kb and kb * 1024)
end

---@return table  for JSON: null where a thing is not known
function M.look()
  local probe = job.probe()
  local limits = {}
  for _, name in ipairs(LIMITS) do limits[name] = probe[name] end
  local cards, why_none = gpus()
  return {
    erlua = host.version(), program = host.self(), sources = sources(), supervise = or_null(probe.supervise),
    kernel = or_null(says("uname", "-srm")), cpus = or_null(math.tointeger(tonumber(says("nproc") or ""))), memory = memory(),
    sandbox = sandbox(probe), limits = limits, gpus = cards, no_gpus = or_null(why_none), slurm = slurm(), keys = keys(),
  }
end

M.LIMITS, M.SLURM, M.KEYS = LIMITS, SLURM, KEYS

return M
