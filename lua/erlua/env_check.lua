-- env_check.lua - is a table a good env.lua?  Errors name the field.

local sorted = require("erlua.lists").keys
local text = require("erlua.text")
local units = require("erlua.units")

local M = {}

local FIELDS = {
  name = "string", about = "string", editable = "list", frozen = "list", region = "string", check = "command",
  train = "command",
  evaluate = "command", metric = "string", direction = "direction", reward = "function", data = "list", read = "paths",
  inputs = "inputs",
  budget = "table", limits = "table", presets = "table", plausible = "bounds",
}
local LIMITS = {
  wall = units.seconds, cpu = units.seconds, grace = units.seconds, memory = units.bytes, disk = units.bytes,
  output = units.bytes,
  processes = function(v) if math.type(v) == "integer" and v >= 1 then return v end return nil, "must be a whole number from 1 up" end,
  gpus = function(v) if math.type(v) == "integer" and v >= 0 and v <= 64 then return v end return nil, "must be a whole number from 0 to 64" end,
}
local DEFAULTS = { wall = 3600, grace = 0.5, disk = 4 << 30, output = 16 << 20, processes = 1024, memory = 0, cpu = 0,
  gpus = 0 }

local TYPES = {}

local function is_text(v) return type(v) == "string" and v ~= "" and not v:find("\0", 1, true) end

function TYPES.string(v) return is_text(v), "must be a text" end

function TYPES.list(v)
  local n = 0
  if type(v) ~= "table" then return false, "must be a list of texts" end
  for _, s in pairs(v) do
    n = n + 1
    if not is_text(s) then return false, "must be a list of texts" end
  end
  return n == #v, "must be a list of texts"
end

-- Folders that the sandbox makes itself, or keeps from every job.
local CLOSED = { "proc", "dev", "run", "var/run", "sys", "work", "erlua", "tmp" }

-- The path without its empty and "." parts; nil with ".." in it, or if it is not whole.
local function plain_path(path)
  local parts = {}
  for part in path:gmatch("[^/]+") do
    if part == ".." then return nil end
    if part ~= "." then parts[#parts + 1] = part end
  end
  return path:sub(1, 1) == "/" and "/" .. table.concat(parts, "/") or nil
end

function TYPES.paths(v)
  if not TYPES.list(v) then return false, "must be a list of paths" end
  for _, path in ipairs(v) do
    local plain = plain_path(path)
    if not plain then return false, "must hold whole paths, from / on and without '..': " .. path end
    if plain == "/" then return false, "would show the whole machine to the jobs: name the folders they need" end
    for _, name in ipairs(CLOSED) do
      if (plain .. "/"):sub(1, #name + 2) == "/" .. name .. "/" then
        return false, "cannot show " .. path .. " to the jobs: /" .. name .. " is the sandbox's own"
      end
    end
  end
  return true
end

function TYPES.command(v)
  if not TYPES.list(v) or #v == 0 then
    return false, "must be a command: a list of the program and its arguments, { \"erlua\", \"train.lua\" }"
  end
  return true
end

function TYPES.bounds(v)
  local ok = type(v) == "table" and next(v) ~= nil
  for name, x in pairs(ok and v or {}) do
    ok = ok and (name == "min" or name == "max") and type(x) == "number" and x == x
  end
  return ok and not (v.min and v.max and v.min > v.max), "must hold min, max or both: what the metric can be"
end

function TYPES.direction(v) return v == "min" or v == "max", "must be \"min\" or \"max\"" end
TYPES["function"] = function(v) return v == "function", "must be a function of the metrics" end

-- A data set that `erlua env NAME --fetch` downloads: of each glob the first `most` files.
local function check_fetch(v)
  local ok = type(v) == "table" and is_text(v.dataset) and v.dataset:find("^[%w._-]+/[%w._-]+$")
    and TYPES.list(v.files) and #v.files > 0
    and math.type(v.most) == "integer" and v.most > 0
  for name in pairs(ok and v or {}) do ok = ok and (name == "dataset" or name == "files" or name == "most") end
  return ok
end

-- Either a text and the command that makes files of it, or a folder of the cache that holds them.
function TYPES.inputs(v)
  if type(v) ~= "table" then return false, "must be { text =, prepare = } or { folder = }" end
  for name, x in pairs(v) do
    if name == "prepare" then
      if not TYPES.command(x) then return false, ".prepare " .. select(2, TYPES.command(x)) end
    elseif name == "fetch" then
      if not v.folder or not check_fetch(x) then
        return false, ".fetch must be { dataset = \"OWNER/NAME\", files = { globs }, most = N }, beside a folder"
      end
    elseif name ~= "text" and name ~= "folder" and name ~= "get" then
      return false, "takes text, prepare, folder, fetch and get, not '" .. tostring(name) .. "'"
    elseif not is_text(x) then return false, "." .. name .. " must be a text" end
  end
  for _, name in ipairs { v.text or "-", v.folder or "-" } do
    if name:find("/", 1, true) or name:find("^%.") then
      return false, "names a file or a folder of erlua's cache, without '/' and not '" .. name .. "'"
    end
  end
  return (v.text ~= nil) == (v.prepare ~= nil) and (v.text ~= nil) ~= (v.folder ~= nil),
    "must be { text =, prepare = } or { folder = }"
end

function TYPES.table(v) return type(v) == "table", "must be a table" end

-- Each field by itself; `prefix` is where it stands.
local function check_each(spec, prefix)
  for name, v in pairs(spec) do
    local kind = FIELDS[name]
    if not kind then return nil, "unknown field '" .. prefix .. tostring(name) .. "'" end
    local ok, message = TYPES[kind](v)
    if not ok then return nil, "field '" .. prefix .. name .. "' " .. message end
  end
  return true
end

local function check_fields(spec)
  local ok, message = check_each(spec, "")
  if not ok then return nil, message end
  for _, name in ipairs { "name", "editable", "train", "evaluate", "metric", "direction" } do
    if spec[name] == nil then return nil, "field '" .. name .. "' is missing" end
  end
  if not spec.name:match("^[%w_-][%w_.-]*$") then
    return nil, "field 'name' may hold letters, digits, '_', '-' and '.' only, and begins with none of '.'"
  end
  return true
end

local function read_limits(given, prefix)
  local out = {}
  for name, v in pairs(DEFAULTS) do out[name] = v end
  for name, v in pairs(given or {}) do
    local read = LIMITS[name]
    if not read then return nil, "unknown field '" .. (prefix or "") .. "limits." .. tostring(name) .. "'" end
    local x, message = read(v)
    if not x then return nil, "field '" .. (prefix or "") .. "limits." .. name .. "' " .. message end
    out[name] = x
  end
  out.processes_watched = not (given and given.processes)      -- the default is worth no cgroup
  return out
end

---Limits in seconds and bytes, the defaults for what is not given.
M.limits = read_limits

local function read_budget(given, prefix)
  if not given then return nil end
  local n, out = 0, nil
  for name, v in pairs(given) do
    n = n + 1
    if name ~= "wall" and name ~= "cpu" then
      return nil, "field '" .. prefix .. "budget' takes wall or cpu, not '" .. tostring(name) .. "'"
    end
    local x, message = units.seconds(v)
    if not x or x <= 0 then
      return nil, "field '" .. prefix .. "budget." .. name .. "' " .. (message or "must be more than 0")
    end
    out = { seconds = x, cpu = name == "cpu" }
  end
  if n ~= 1 then return nil, "field '" .. prefix .. "budget' takes one of wall and cpu" end
  return out
end

-- Every preset is checked, not only the one that is asked for.
local function check_presets(presets)
  for preset, p in pairs(presets or {}) do
    local prefix = "presets." .. tostring(preset) .. "."
    if type(preset) ~= "string" or type(p) ~= "table" then
      return nil, "field 'presets' must be a table of name = { fields }"
    end
    for _, name in ipairs { "name", "presets", "reward" } do
      if p[name] ~= nil then return nil, "field '" .. prefix .. name .. "' cannot differ between presets" end
    end
    local ok, message = check_each(p, prefix)
    if ok then ok, message = read_limits(p.limits, prefix) end
    if ok and p.budget then ok, message = read_budget(p.budget, prefix) end
    if not ok then return nil, message end
  end
  return true
end

-- A preset's fields take the place of the environment's; limits one by one.
local function with_preset(spec, preset)
  if not preset then return spec end
  local p = spec.presets and spec.presets[preset]
  if type(p) ~= "table" then return nil, "there is no preset '" .. preset .. "'" .. text.instead(preset, sorted(spec.presets or {})) end
  local out = {}
  for name, v in pairs(spec) do out[name] = v end
  for name, v in pairs(p) do out[name] = v end
  if p.limits and spec.limits then
    out.limits = {}
    for name, v in pairs(spec.limits) do out.limits[name] = v end
    for name, v in pairs(p.limits) do out.limits[name] = v end
  end
  return out
end

---@param spec table  what env.lua returned; functions as "function"
---@param preset? string
---@return table|nil env  the fields in the form the engine uses
---@return string? message
function M.env(spec, preset)
  local ok, message = check_fields(spec)
  if ok then ok, message = check_presets(spec.presets) end
  if not ok then return nil, message end
  spec, message = with_preset(spec, preset)
  if not spec then return nil, message end
  local limits, budget
  limits, message = read_limits(spec.limits)
  if not limits then return nil, message end
  budget, message = read_budget(spec.budget, "")
  if message then return nil, message end
  return {
    name = spec.name, about = spec.about, editable = spec.editable, frozen = spec.frozen or {},
    region = spec.region, check_command = spec.check, train_command = spec.train,
    evaluate_command = spec.evaluate, given_limits = spec.limits, metric = spec.metric,
    direction = spec.direction, has_reward = spec.reward ~= nil, data = spec.data or {}, read = spec.read or {},
    inputs = spec.inputs,
    plausible = spec.plausible, limits = limits, budget = budget, preset = preset, presets = spec.presets or {},
  }
end

return M
