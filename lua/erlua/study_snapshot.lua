-- study_snapshot.lua - what a study keeps of its script, its prompts and its environment, so
-- that it can go on although the originals have changed.

local fs = require("erlua.core.fs")
local host = require("erlua.core.host")
local envs = require("erlua.env")
local inputs = require("erlua.env_inputs")
local prompts = require("erlua.prompt")

local M = {}

local function put_file(store, kind, path, bytes, big)
  return store:write("snapshot", { kind = kind, path = path, digest = big and big.digest or fs.sha256(bytes),
    size = big and big.size or #bytes, source = big and big.source, bytes = bytes })
end

---Writes all that the study needs to run again, in one commit.
---@param store erlua.store
---@param want table  what is asked for, with its name and the text of its options
---@param now number
---@return boolean|nil ok
---@return string? message
---@return string? code
function M.write(store, want, now)
  local ok, message, code = put_file(store, "script", want.script.name, want.script.source)
  for name, source in pairs(want.modules) do
    if ok then ok, message, code = put_file(store, "module", name, source) end
  end
  for name, template in pairs(want.prompts) do
    if ok then ok, message, code = put_file(store, "prompt", name, template) end
  end
  for path, bytes in pairs(want.env.files) do
    if ok then ok, message, code = put_file(store, "env", path, bytes) end
  end
  for path, big in pairs(want.env.big) do
    if ok then ok, message, code = put_file(store, "env", path, nil, big) end
  end
  for path, big in pairs(want.scale or {}) do
    if ok then ok, message, code = put_file(store, "scale", path, nil, big) end
  end
  if ok then
    ok, message, code = store:write("studies", { id = 1, name = want.name, script = want.script.name, env = want.env.name,
      env_digest = want.env.digest, script_digest = want.script_digest, options = want.options, seed = want.opt.seed,
      erlua = host.version(), created = now, state = "running" })
  end
  if ok then ok, message, code = store:commit() end
  return ok, message, code
end

-- Large files are not copied: what the jobs see must still be what the study began with.  Those that are made or fetched
-- may be made again, or lie elsewhere on this machine.
---@param env erlua.env
---@param opt? table  text, sandbox, slots: how they are made again; nil: they are not
---@return boolean|nil ok
---@return string? message
---@return string? code
function M.check_big(env, opt)
  for path, big in pairs(env.big) do
    local digest, found, why = fs.sha256_file(big.source), nil, nil
    if digest ~= big.digest and opt then
      found, why = inputs.restore(env, { text = opt.text, sandbox = opt.sandbox, slots = opt.slots })
      digest = fs.sha256_file(big.source)
    end
    if digest ~= big.digest then
      local again = why and ". It cannot be made again: " .. why or found and ", and what is there now does not make it again" or ""
      return nil, string.format("%s (%s of the environment) %s since the study began%s; put it back, or begin anew with --new",
        big.source, path, digest and "has changed" or "has gone", again), "changed"
    end
  end
  return true
end

---The environment's files on disk, for the jobs to be bound to.  The study file is what
---counts: a copy that is not as it says is written again.
---@param dir string  the study's folder
---@param env erlua.env
---@param opt table  the study's options
---@return boolean|nil ok
---@return string? message
---@return string? code
function M.extract(dir, env, opt)
  for path, bytes in pairs(env.files) do
    local full = dir .. "/snapshot/" .. path
    if fs.read(full) ~= bytes then
      fs.remove(full)
      local ok, message, code = fs.mkdirs(full:match("^(.*)/"))
      if ok then ok, message, code = fs.write(full, bytes, 493) end       -- 0755: scripts may be run
      if not ok then return nil, message, code end
    end
  end
  return M.check_big(env, opt)
end

---The large files of a kind, or nothing if there are none.
---@param store erlua.store
---@param kind string
---@return table<string, {source: string, digest: string, size: integer}>|nil big
function M.big(store, kind)
  local out = {}
  for _, f in ipairs(store:query("snapshot_list")) do
    if f.kind == kind and f.source then out[f.path] = { source = f.source, digest = f.digest, size = f.size } end
  end
  return next(out) and out
end

---The environment and the script as the study keeps them.
---@return table|nil env
---@return string? message
---@return string? code
function M.env(found)
  local files, big = {}, {}
  local list, message, code = found.store:query("snapshot_list")
  if not list then return nil, message, code end
  for _, f in ipairs(list) do
    if f.kind == "env" then
      if f.source then big[f.path] = { source = f.source, digest = f.digest, size = f.size }
      else files[f.path] = found.store:query("snapshot_get", "env", f.path)[1].bytes end
    end
  end
  return envs.from_files(files, big, { preset = found.options.preset, where = found.dir })
end

---The script as the study keeps it; its modules are put where `require` finds them first.
function M.script(found)
  for _, f in ipairs(found.store:query("snapshot_list")) do
    if f.kind == "module" then
      local source = found.store:query("snapshot_get", "module", f.path)[1].bytes
      package.preload[f.path] = assert(load(source, "@" .. f.path .. ".lua", "t"))
    end
  end
  local name = found.row.script
  local rows = found.store:query("snapshot_get", "script", name)
  return { name = name, base = name:match("([^/]+)%.lua$") or name, source = rows[1].bytes }
end

---The prompts as the study keeps them; of a study from before there were any, those of now.
---@return table<string, string>|nil templates
---@return string? message
---@return string? code
function M.prompts(store)
  local out = {}
  for _, f in ipairs(store:query("snapshot_list")) do
    if f.kind == "prompt" then out[f.path] = store:query("snapshot_get", "prompt", f.path)[1].bytes end
  end
  if next(out) then return out end
  return prompts.all()
end

---Which originals have changed since the snapshot was taken.
function M.changed_since(found)
  local out = {}
  for _, f in ipairs(found.store:query("snapshot_list")) do
    local now
    if f.kind == "script" then
      local script = require("erlua.session").read_script(f.path)
      now = script and script.source
    elseif f.kind == "module" then
      local path = package.searchpath(f.path, package.path)
      now = path and fs.read(path)
    elseif f.kind == "prompt" then
      now = prompts.source(f.path)
    end
    if now and fs.sha256(now) ~= f.digest then out[#out + 1] = f.kind == "prompt" and "the prompt " .. f.path or f.path end
  end
  local env = envs.load(found.options.env or found.row.env,
    { preset = found.options.preset, text = found.options.text, inputs = "there" })
  if env and env.digest ~= found.row.env_digest then out[#out + 1] = "the environment " .. found.row.env end
  return out
end

return M
