-- env_run.lua - an environment without a study: its workspace as files, its evaluation
-- as one call.  For scripts and the prompt; a study's trials go through stage.lua.

local json = require("erlua.json")
local fs = require("erlua.core.fs")

local M = {}

---All files that a job of the idea may see, changes applied; the evaluation's data are not among them.
---@param env erlua.env
---@param changes? table<string, string|false>  from erlua.patch.apply; a path of a frozen file is an error
---@return table<string, string|{from: string}> files  for erlua.job's `files`; large ones by the path of their source
function M.workspace(env, changes)
  local files = {}
  for _, path in ipairs(env.frozen_files) do files[path] = env.files[path] or { from = env.big[path].source } end
  for path, bytes in pairs(env.pristine) do files[path] = bytes end
  for path, bytes in pairs(changes or {}) do
    if env.files[path] and not env.pristine[path] then error("env:workspace: " .. path .. " is frozen", 2) end
    files[path] = bytes or nil
  end
  return files
end

local function data_of(env)
  local out = {}
  for _, path in ipairs(env.data_files) do
    local big = env.big[path]
    if not big and not env.dir then
      error("env:evaluate: the data of an embedded environment are there in a study only; give its folder", 3)
    end
    out[#out + 1] = { host = big and big.source or env.dir .. "/" .. path, inside = "/erlua/data/" .. path, data = true }
  end
  return out
end

---Runs the frozen evaluation on an artifact, apart from whatever made it.
---@param env erlua.env
---@param artifact string  folder that a training job left in its $ERLUA_OUT
---@param changes? table<string, string|false>
---@return table|nil metrics
---@return number|string reward  or why there is none
---@return string|table code  "bad_metric", "tampered", "crash", …; on success the job's result
function M.evaluate(env, artifact, changes)
  local spec = { files = M.workspace(env, changes), limits = env.given_limits, metrics = true,
    artifact = fs.realpath(artifact),
    read = env.read, env = { ERLUA_PRESET = env.preset }, binds = data_of(env) }
  table.move(env.evaluate_command, 1, #env.evaluate_command, 1, spec)
  local j, message, code = require("erlua.job").start(spec)
  if not j then return nil, message, code end
  local result
  result, message, code = j:wait()
  if not result then return nil, message, code end
  if result.ended ~= "exit" or result.exit_code ~= 0 then return nil, result.reason .. ": " .. result.log, "crash" end
  local metrics, reward
  metrics, message = json.decode(result.metrics or "")
  if type(metrics) ~= "table" then return nil, message or "no metrics", "bad_metric" end
  reward, message, code = env:score(metrics)
  if not reward then return nil, message, code end
  return metrics, reward, result
end

return M
