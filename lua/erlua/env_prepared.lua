-- env_prepared.lua - folders of prepared files in erlua's cache: each as it was made, or made again; held by those who use
-- it; and not more of them than are of use.

local fs = require("erlua.core.fs")
local host = require("erlua.core.host")
local json = require("erlua.json")

local M = {}

local LIST = ".digests"                   -- in each folder: what it held when it was made
local LOCK = ".lock"                      -- held together by who uses it, alone by who makes or removes it
local KEPT = 8                            -- folders of one environment that stay: those that were used last
local READ_ONLY = 292                     -- 0444

local held = {}                           -- locks on folders that this program uses, until it ends

-- ---- what a folder holds ----------------------------------------------------------------

---The files in a folder of the cache, but what is still on its way.
---@param dir string
---@return table<string, {source: string, digest: string, size: integer}>|nil files
---@return string? message
---@return string? code
function M.files(dir)
  local list, message, code = fs.walk(dir)
  if not list then return nil, message, code end
  local out = {}
  for _, f in ipairs(list) do
    if f.kind == "f" and not f.path:match("^%.") and not f.path:match("%.part$") then
      local source, digest = dir .. "/" .. f.path, nil
      digest, message, code = fs.sha256_file(source)
      if not digest then return nil, message, code end
      out[f.path] = { source = source, digest = digest, size = f.size }
    end
  end
  return out
end

local function list_of(files)
  local out = {}
  for path, f in pairs(files) do out[path] = f.digest end
  return json.encode(json.object(out))
end

---Writes down what a folder holds that was made just now, and makes it read-only: against accidents, which is what can be done.
---@param dir string
---@return boolean|nil ok
---@return string? message
---@return string? code
function M.seal(dir)
  local files, message, code = M.files(dir)
  if not files then return nil, message, code end
  for path in pairs(files) do fs.chmod(dir .. "/" .. path, READ_ONLY) end
  local ok
  ok, message, code = fs.write(dir .. "/" .. LOCK, "")
  if ok then ok, message, code = fs.replace(dir .. "/" .. LIST, list_of(files)) end
  return ok, message, code
end

-- ---- using it ---------------------------------------------------------------------------

local function release(dir)
  if held[dir] then held[dir]:close() end
  held[dir] = nil
end

---Takes a folder into use, if it is there and as it was made: nobody removes it while this program lives.
---@param dir string
---@return table<string, {source: string, digest: string, size: integer}>|nil files
---@return "absent"|"changed"|nil why
function M.use(dir)
  if not fs.is_dir(dir) then return nil, "absent" end
  if not held[dir] then
    local lock, _, code = fs.lock(dir .. "/" .. LOCK, "shared", "")
    if code == "EBUSY" then return nil, "absent" end        -- it is being removed; where files know no locks, nobody removes it
    held[dir] = lock
  end
  local files, was = M.files(dir), fs.read(dir .. "/" .. LIST)
  if files and was == list_of(files) then
    fs.touch(dir .. "/" .. LIST)
    return files
  end
  release(dir)
  return nil, fs.is_dir(dir) and "changed" or "absent"
end

-- ---- removing it ------------------------------------------------------------------------

-- Nobody is to find half of a folder.
local function out_of_the_way(dir)
  local aside = dir .. "." .. host.pid() .. ".old"
  return fs.rename(dir, aside) and aside
end

-- Removes a folder that nobody holds.
local function remove_free(dir, visible)
  local lock <close>, _, code = fs.lock(dir .. "/" .. LOCK, "alone", "")
  if not lock and code ~= "ENOENT" then return end
  dir = visible and out_of_the_way(dir) or dir
  if dir then fs.remove(dir) end
end

---Takes a folder out of the way that is not as it was made.  Jobs of other engines that use it keep what they have.
---@param dir string
function M.set_aside(dir)
  release(dir)
  local aside = out_of_the_way(dir)
  if aside then remove_free(aside) end
end

-- The folders of an environment, those used last first.
local function of_environment(above, name)
  local out = {}
  for _, found in ipairs(fs.list(above) or {}) do
    local key = found:sub(1, #name + 1) == name .. "-" and found:sub(#name + 2)
    if key and #key == 16 and key:match("^%x+$") then
      local _, used = fs.stamp(above .. "/" .. found .. "/" .. LIST)
      out[#out + 1] = { dir = above .. "/" .. found, used = type(used) == "number" and used or 0 }
    end
  end
  table.sort(out, function(a, b) return a.used > b.used end)
  return out
end

-- What killed engines left on their way, or took out of the way of others that have ended since.  Their number may be in use
-- in another container; their lock is not.
local function sweep(above)
  for _, found in ipairs(fs.list(above) or {}) do
    if found:match("%-%x+%.%d+$") or found:match("%-%x+%.%d+%.old$") then remove_free(above .. "/" .. found) end
  end
end

---Removes what was left behind, and of the environment's folders all but those used last.  What an engine uses stays.
---@param above string  the folder that holds them
---@param name string  of the environment
function M.tidy(above, name)
  sweep(above)
  for i, found in ipairs(of_environment(above, name)) do
    if i > KEPT then remove_free(found.dir, true) end
  end
end

-- ---- making it --------------------------------------------------------------------------

---Makes a folder: `fill` gets one beside it and leaves the files in its `out`.  Who comes second finds it there and drops their own.
---@param dir string
---@param fill fun(beside: string): boolean|nil, string?, string?
---@return boolean|nil ok
---@return string? message
---@return string? code
function M.make(dir, fill)
  local beside = dir .. "." .. host.pid()
  fs.remove(beside)
  local ok, message, code = fs.mkdirs(beside)
  if not ok then return nil, message, code end
  local lock <close> = fs.lock(beside .. "/" .. LOCK, "alone", "")
  ok, message, code = fill(beside .. "/job")
  if ok then ok, message, code = M.seal(beside .. "/job/out") end
  if ok and not fs.is_dir(dir) then
    ok, message, code = fs.rename(beside .. "/job/out", dir)
    if not ok and fs.is_dir(dir) then ok = true end
  end
  fs.remove(beside)
  return ok, message, code
end

return M
