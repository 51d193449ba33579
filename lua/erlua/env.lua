-- env.lua - environments: a folder with env.lua, the code an idea may edit, the frozen
-- code that scores it.  env.lua runs in the restricted state and is checked field by field.

local fs = require("erlua.core.fs")
local box = require("erlua.core.box")
local patch = require("erlua.core.patch")
local check = require("erlua.env_check")
local folder = require("erlua.env_folder")
local inputs = require("erlua.env_inputs")
local sorted = require("erlua.lists").keys
local text = require("erlua.text")

local M = {}

local Env = {}
Env.__index = Env
Env.__name = "erlua.env"

local function matches(globs, path)
  for _, g in ipairs(globs or {}) do
    if fs.glob(g, path) then return true end
  end
  return false
end

local function digest_of(files, big)
  local lines = {}
  for _, path in ipairs(sorted(files)) do lines[#lines + 1] = fs.sha256(files[path]) .. "  " .. path end
  for _, path in ipairs(sorted(big)) do lines[#lines + 1] = big[path].digest .. "  " .. path end
  return fs.sha256(table.concat(lines, "\n"))
end

-- Splits the files into what an idea may edit, what it may not, and what only the
-- evaluation sees.
local function sort_files(env)
  env.pristine, env.frozen_files, env.data_files = {}, {}, {}
  for _, path in ipairs(sorted(env.files)) do
    local editable = path ~= "env.lua" and matches(env.editable, path) and not matches(env.frozen, path)
    if matches(env.data, path) then env.data_files[#env.data_files + 1] = path
    elseif editable then env.pristine[path] = env.files[path]
    else env.frozen_files[#env.frozen_files + 1] = path end
  end
  for _, path in ipairs(sorted(env.big)) do
    local list = matches(env.data, path) and env.data_files or env.frozen_files
    list[#list + 1] = path
  end
end

-- What the applier is told: a reply must not make a frozen file either.  Large files are
-- frozen by their size, whatever the globs say.
local function rules_of(env)
  local frozen = { "env.lua" }
  for _, list in ipairs { env.frozen, env.data } do table.move(list, 1, #list, #frozen + 1, frozen) end
  for _, path in ipairs(sorted(env.big)) do frozen[#frozen + 1] = (path:gsub("[%[%*%?]", "[%0]")) end
  return { editable = env.editable, frozen = frozen, region = env.region, folder = env.name }
end

-- All paths that there are, so that none is made twice; a frozen file's text is nobody's business.
local function files_for_patch(env)
  local out = {}
  for path, bytes in pairs(env.pristine) do out[path] = bytes end
  for _, list in ipairs { env.frozen_files, env.data_files } do
    for _, path in ipairs(list) do out[path] = "" end
  end
  return out
end

-- The fields and the files fit each other, and what scores an idea is not the idea's.
local function check_files(env, without_inputs)
  if next(env.pristine) == nil then return nil, "field 'editable' matches no file" end
  for _, g in ipairs(env.data) do
    local found = false
    for _, path in ipairs(env.data_files) do found = found or fs.glob(g, path) end
    if not found and not without_inputs then return nil, "field 'data': '" .. g .. "' matches no file" end
  end
  for _, word in ipairs(env.evaluate_command) do
    local path = word:gsub("^%./", "")
    if env.pristine[path] then
      return nil, "field 'evaluate' runs '" .. path .. "', which is editable: an idea could write its own score. Name it in 'frozen'"
    end
    if env.files[path] then break end                       -- what is run; the rest are its arguments
  end
  return true
end

-- What env.lua says, checked; the files sorted by it.
local function read_spec(files, big, preset, where)
  if not files["env.lua"] then return nil, where .. ": there is no env.lua", "ENOENT" end
  local b, message, code = box.new(files["env.lua"], "@env.lua")
  if not b then return nil, where .. ": " .. message, code end
  local spec
  spec, message = b:value()
  if type(spec) ~= "table" then
    return nil, where .. ": env.lua must return a table" .. (message and " (" .. message .. ")" or ""), "EINVAL"
  end
  local env
  env, message = check.env(spec, preset)
  if not env then return nil, where .. ": " .. message, "EINVAL" end
  env.files, env.big, env.box, env.where = files, big, b, where
  sort_files(env)
  return env
end

-- Files that are not in the folder come to it; sorts again.
local function add_inputs(env, options)
  local found, message, code = inputs.find(env, options)
  if not found then return nil, message, code end
  for _, path in ipairs(sorted(found)) do
    if env.files[path] or env.big[path] then
      return nil, env.where .. ": field 'inputs' brings " .. path .. ", which is there already", "EINVAL"
    end
    env.big[path] = found[path]
  end
  if next(found) then sort_files(env) end
  return true
end

-- The last step: do fields and files fit each other?
local function finish(env, without_inputs)
  env.digest, env.patch_files = digest_of(env.files, env.big), files_for_patch(env)
  local ok, message = check_files(env, without_inputs)
  if not ok then return nil, env.where .. ": " .. message, "EINVAL" end
  env.rules = rules_of(env)
  ok, message = patch.check(env.pristine, env.rules)
  if not ok then return nil, env.where .. ": " .. message, "EINVAL" end
  return setmetatable(env, Env)
end

---An environment from its files, as a study's snapshot keeps them.
---@param files table<string, string>  path -> bytes; env.lua among them
---@param big table<string, {source: string, digest: string, size: integer}>
---@param options? {preset: string?, where: string?}
---@return erlua.env|nil env
---@return string? message
---@return string? code
function M.from_files(files, big, options)
  options = options or {}
  local env, message, code = read_spec(files, big, options.preset, options.where or "env.lua")
  if not env then return nil, message, code end
  return finish(env)
end

---Loads an environment by its name (below envs/ here or in erlua itself) or its folder.
---@param name string
---@param options? {preset: string?, text: string?, sandbox: boolean?, slots: integer?, inputs: string?}  how its `inputs`
---  are made; inputs = "none": without them, "there": only if nothing has to be made
---@return erlua.env|nil env
---@return string? message
---@return string? code
function M.load(name, options)
  options = options or {}
  local dir = folder.find(name)
  local files, big
  if dir then
    local code
    files, big, code = folder.read(dir)
    if not files then return nil, big, code end
  else
    files, big = fs.embedded("envs/" .. name .. "/"), {}
    if next(files) == nil then
      return nil, "there is no environment '" .. name .. "': no such folder, and neither envs/ here nor erlua itself has one of that name"
        .. text.instead(name, folder.names()), "ENOENT"
    end
  end
  local env, message, code = read_spec(files, big, options.preset, dir or name)
  if not env then return nil, message, code end
  local ok = true
  if options.inputs ~= "none" then ok, message, code = add_inputs(env, options) end
  if not ok then return nil, message, code end
  env.dir = dir
  return finish(env, env.inputs ~= nil and options.inputs == "none")
end

-- What an evaluation may say instead of a score, with a reason.
local REFUSALS = { tampered = true, bad_metric = true }

---The reward of an evaluation's metrics.
---@param metrics table<string, any>
---@return number|nil reward
---@return string? message
---@return string? outcome  "bad_metric", or "tampered" where the evaluation says so: { "outcome": "tampered", "reason": "..." }
function Env:score(metrics)
  local m = metrics[self.metric]
  if REFUSALS[metrics.outcome] then
    return nil, type(metrics.reason) == "string" and text.clean(metrics.reason) or "the evaluation gives no reason",
      metrics.outcome
  end
  if type(m) ~= "number" then return nil, "the metrics hold no number '" .. self.metric .. "'", "bad_metric" end
  if not self.has_reward then return (self.direction == "min" and -m or m) + 0.0 end
  local r, message = self.box:call("reward", metrics)
  if message then return nil, "the reward function failed: " .. message, "bad_metric" end
  if type(r) ~= "number" or r ~= r or r == math.huge or r == -math.huge then
    return nil, "the reward function returned " .. tostring(r) .. ", not a finite number", "bad_metric"
  end
  return r + 0.0
end

---Why a score is to be looked at by a person: it lies beyond what env.lua calls plausible.
---@param metrics table<string, any>
---@return string|nil words  nil for one that is plausible
function Env:doubt(metrics)
  local m, p = metrics[self.metric], self.plausible or {}
  local bound = p.min and m < p.min and "min" or p.max and m > p.max and "max"
  if not bound then return nil end
  return string.format("%s %s is %s plausible.%s, %s", self.metric, text.number(m, 8),
    bound == "min" and "below" or "above", bound,
    text.number(p[bound], 8))
end

---All files that a job of an idea may see, with its changes: for erlua.job's `files`.
---@param changes? table<string, string|false>  from erlua.patch.apply
---@return table<string, string> files  path -> bytes
function Env:workspace(changes) return require("erlua.env_run").workspace(self, changes) end

---Runs the frozen evaluation on the folder that a training job left, as a job of its own.
---@param artifact string
---@param changes? table<string, string|false>
---@return table|nil metrics
---@return number|string reward  or why there is none
---@return string|table code  "bad_metric", "crash", …; on success the job's result
function Env:evaluate(artifact, changes) return require("erlua.env_run").evaluate(self, artifact, changes) end

function Env:__tostring()
  return "environment " .. self.name
end

return M
