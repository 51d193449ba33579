-- env_folder.lua - an environment's folder: where a name stands, and the files in it.

local fs = require("erlua.core.fs")
local sorted = require("erlua.lists").keys

local M = {}

local BIG = 10 << 20
local MANY = 4000

local function skipped(path)
  return path:match("^%.") or path:match("/%.") or path:match("__pycache__") or path:match("%.pyc$")
    or path:match("^studies/")
end

---The folder's files: small ones as bytes, those over 10 MB as path and digest.
---@param dir string
---@return table<string, string>|nil files
---@return table<string, {source: string, digest: string, size: integer}>|string big  or the message
---@return string? code
function M.read(dir)
  local list, message, code = fs.walk(dir)
  if not list then return nil, message, code end
  local files, big, n = {}, {}, 0
  for _, f in ipairs(list) do
    if not skipped(f.path) then
      n = n + 1
      if n > MANY then
        return nil, dir .. " holds more than " .. MANY .. " files; an environment is a small folder", "EINVAL"
      end
      if f.kind ~= "f" then
        return nil, dir .. "/" .. f.path .. " is a link or a special file; an environment holds only files and folders", "EINVAL"
      end
      local full = dir .. "/" .. f.path
      local bytes
      if f.size > BIG then
        local digest
        digest, message, code = fs.sha256_file(full)
        if not digest then return nil, message, code end
        big[f.path] = { source = full, digest = digest, size = f.size }
      else
        bytes, message, code = fs.read(full)
        if not bytes then return nil, message, code end
        files[f.path] = bytes
      end
    end
  end
  return files, big
end

-- Names of folders with an env.lua.
local function add_names(dir, to)
  for _, name in ipairs(fs.list(dir) or {}) do
    if fs.exists(dir .. "/" .. name .. "/env.lua") then to[name] = true end
  end
end

---Which environments can be named here.
---@return string[] names
function M.names()
  local found = {}
  for path in pairs(fs.embedded("envs/")) do
    local name = path:match("^([^/]+)/env%.lua$")
    if name then found[name] = true end
  end
  local own = fs.own_dir()
  if own then add_names(own .. "/envs", found) end
  add_names("envs", found)
  return sorted(found)
end

---The folder of an environment, given by itself or by a name below envs/ here or in erlua's own folder.
---@param name string
---@return string|nil dir
function M.find(name)
  if fs.is_dir(name) then return fs.realpath(name) end
  if fs.is_dir("envs/" .. name) then return fs.realpath("envs/" .. name) end
  local own = fs.own_dir()
  if own and fs.is_dir(own .. "/envs/" .. name) then return fs.realpath(own .. "/envs/" .. name) end
end

return M
