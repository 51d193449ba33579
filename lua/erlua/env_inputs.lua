-- env_inputs.lua - files that an environment is too small a folder for: what its `prepare` makes of a text, or a folder
-- that was fetched.  They lie in erlua's cache and join the environment's files by path and digest.

local fs = require("erlua.core.fs")
local host = require("erlua.core.host")
local job = require("erlua.core.job")
local check = require("erlua.env_check")
local folders = require("erlua.env_prepared")
local text = require("erlua.text")

local M = {}

local LIMITS = { wall = "30m", disk = "64G", memory = "4G" }
local TRIES = 3                           -- how often a folder that is not as it was made is made again

---Where texts, what was made of them, and what was fetched lie.
---@return string|nil dir  $XDG_CACHE_HOME/erlua, or ~/.cache/erlua
function M.cache()
  local base, home = host.getenv("XDG_CACHE_HOME"), host.getenv("HOME")
  if base and base:sub(1, 1) == "/" then return base .. "/erlua" end
  return home and home ~= "" and home .. "/.cache/erlua" or nil
end

local function missing(env, what)
  return nil, env.name .. " needs " .. what .. (env.inputs.get and ". " .. env.inputs.get or ""), "ENOENT"
end

---The text that an environment is prepared from: --text, or the one in the cache.
---@return string|nil path
---@return string? message
---@return string? code
local function text_path(env, options)
  if options.text then
    if fs.is_dir(options.text) then return nil, "--text " .. options.text .. ": is a folder, not a text", "EINVAL" end
    local path, message, code = fs.realpath(options.text)
    if not path then return nil, "--text " .. options.text .. ": " .. message, code end
    return path
  end
  local cache = M.cache()
  local path = cache and cache .. "/text/" .. env.inputs.text
  if not path or not fs.exists(path) then
    return missing(env, "the text " .. (path or env.inputs.text) .. ", which is not there")
  end
  return path
end

-- ---- preparing --------------------------------------------------------------------------

-- A name for what `prepare` makes: it depends on the text, the command and the frozen files, which hold it.
local function key(env, digest)
  local lines = { digest, table.concat(env.inputs.prepare, "\0") }
  for _, path in ipairs(env.frozen_files) do
    if path ~= "env.lua" and env.files[path] then lines[#lines + 1] = path .. " " .. fs.sha256(env.files[path]) end
  end
  return env.name .. "-" .. fs.sha256(table.concat(lines, "\n")):sub(1, 16)
end

local function why(result)
  local last = text.last_line(result.log)
  return result.reason .. (last and ": " .. last or "")
end

-- Runs `prepare` as a job in `dir`, where it leaves out/.  It is no part of any study, so no row is kept of it, and no
-- task is made for it: the numbers of a study's tasks must not depend on what the cache holds.
local function run(env, path, dir, sandbox, slots)
  local ok, message, code = job.setup { slots = slots or 0, sandbox = sandbox }
  if not ok then return nil, message .. ". Foreign code is not run without it unless you say --no-sandbox", code end
  local work = {}
  for _, name in ipairs(env.frozen_files) do
    if env.files[name] then work[#work + 1] = { path = name, bytes = env.files[name] } end
  end
  local result = job.run { id = 0, key = "prepare", dir = dir, argv = env.inputs.prepare, work = work,
    binds = { { host = path, inside = "/erlua/text" } }, env = { "ERLUA_TEXT=" .. (sandbox and "/erlua/text" or path) },
    limits = assert(check.limits(LIMITS)), gpus = 0, inspect = true, curve = false }
  if result.ended ~= "exit" or result.exit_code ~= 0 then
    return nil, "the text " .. path .. " could not be prepared for " .. env.name .. ": " .. why(result), "prepare"
  end
  if result.artifact.bad then
    return nil, env.name .. ": what `prepare` left cannot be taken: " .. result.artifact.bad, "prepare"
  end
  return true
end

local function make(env, path, to, options)
  local above = to:match("^(.*)/")
  local made, message, code = fs.mkdirs(above)
  if not made then return nil, message, code end
  folders.tidy(above, env.name)
  host.report("preparing " .. path .. " for " .. env.name .. ", once")
  return folders.make(to, function(dir) return run(env, path, dir, options.sandbox ~= false, options.slots) end)
end

-- What is made of the text, made first if it has to be: it may be gone, or not be what it was.
local function prepared(env, options)
  local path, message, code = text_path(env, options)
  if not path then return nil, message, code end
  local digest
  digest, message, code = fs.sha256_file(path)
  if not digest then return nil, message, code end
  local cache = M.cache()
  if not cache then return nil, "there is no place for prepared texts: set XDG_CACHE_HOME or HOME", "ENOENT" end
  local dir = cache .. "/prepared/" .. key(env, digest)
  for _ = 1, TRIES do
    local files, why = folders.use(dir)
    if files then return files, dir end
    if options.inputs == "there" then return nil, "the text " .. path .. " is not prepared", "ENOENT" end
    if why == "changed" then
      host.report(dir .. " is not as it was made, and is made again: a job without the sandbox may have written there")
      folders.set_aside(dir)
    end
    local ok
    ok, message, code = make(env, path, dir, options)
    if not ok then return nil, message, code end
  end
  return nil, dir .. " changes whenever it is made; something else writes there", "changed"
end

local function fetched(env)
  local cache = M.cache()
  local dir = cache and cache .. "/" .. env.inputs.folder
  if not dir or #(fs.list(dir) or {}) == 0 then
    return missing(env, "the files of " .. (dir or env.inputs.folder) .. ", which are not there")
  end
  local files, message, code = folders.files(dir)
  if not files then return nil, message, code end
  return files, dir
end

-- ---- finding ----------------------------------------------------------------------------

---The files that join those of the environment's folder, made first if they have to be.
---@param env erlua.env
---@param options {text: string?, sandbox: boolean?, slots: integer?, inputs: "there"|nil}  "there": nothing is made
---@return table<string, {source: string, digest: string, size: integer}>|nil files
---@return string? message
---@return string? code
function M.find(env, options)
  if not env.inputs or not env.inputs.text then
    if options.text then return nil, "the environment " .. env.name .. " trains on no text: leave --text out", "EINVAL" end
    if not env.inputs then return {} end
  end
  local files, dir, code
  if env.inputs.text then files, dir, code = prepared(env, options) else files, dir, code = fetched(env) end
  if not files then return nil, dir, code end               -- then it is the message
  if next(files) == nil then return missing(env, "files in " .. dir .. ", which is empty") end
  return files
end

---Finds again what a study began with, where it is no longer at its place or has changed there.
---@param env erlua.env  its `big` files are set to what is found
---@param options table  as of find
---@return boolean|nil found  what is there now, whether or not it is as it was
---@return string? message
function M.restore(env, options)
  if not env.inputs then return nil end
  local files, message = M.find(env, options)
  if not files then return nil, message end
  for path, file in pairs(files) do
    local big = env.big[path]
    if big and big.digest == file.digest then big.source = file.source end
  end
  return true
end

---What a page says of them: where the text or the folder is, and whether it is there.
---@param env erlua.env
---@param options {text: string?}
---@return string|nil words
function M.words(env, options)
  if not env.inputs then return nil end
  local own = env.inputs.text and "text/" .. env.inputs.text or env.inputs.folder
  local path = options.text or (M.cache() or "~/.cache/erlua") .. "/" .. own
  return text.clean(path) .. (fs.exists(path) and "" or " (not there)")
end

return M
