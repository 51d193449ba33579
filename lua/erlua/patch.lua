-- patch.lua - changes as text: a model's reply onto files, and the difference of files.

local core = require("erlua.core.patch")
local fs = require("erlua.core.fs")

local M = {}

local function rules_of(rules)
  if type(rules) ~= "table" then
    error("erlua.patch: rules expected: an environment, or { editable = { globs } }", 3)
  end
  local own = rules.rules or rules
  if type(own.editable) ~= "table" then error("erlua.patch: rules.editable must be a list of globs", 3) end
  return own
end

---Finds the change in a model's reply and applies it to files, all of it or nothing.
---@param files table<string, string>  path -> bytes
---@param reply string  prose, fences, unified diffs, search/replace blocks, whole files, `*** Begin Patch`
---@param rules erlua.env|{editable: string[], frozen: string[]?, region: string?, folder: string?}
---@return table<string, string|false>|nil changes  path -> new bytes, false for a deleted file
---@return table|string blocks  where each block was found; or why it was refused, fit for the model
---@return string? code  "not_found", "ambiguous", "frozen", "no_op", ...
function M.apply(files, reply, rules)
  return core.apply(files, rules_of(rules), reply)
end

---The files of a folder, for apply and diff; links and special files are an error.
---@param dir string
---@return table<string, string>|nil files
---@return string? message
---@return string? code
function M.read(dir)
  local list, message, code = fs.walk(dir)
  if not list then return nil, message, code end
  local files = {}
  for _, f in ipairs(list) do
    if f.kind ~= "f" then return nil, dir .. "/" .. f.path .. " is a link or a special file", "EINVAL" end
    files[f.path], message, code = fs.read(dir .. "/" .. f.path)
    if not files[f.path] then return nil, message, code end
  end
  return files
end

---A minimal git-style unified diff from one set of files to another, or from one folder to another.
---@param before table<string, string>|string  path -> bytes, or a folder
---@param after table<string, string>|string  the same sort of thing
---@return string|nil diff  empty if they are equal
---@return integer|string added  lines; or the message
---@return integer|string removed  lines; or the code
function M.diff(before, after)
  if type(before) ~= type(after) or (type(before) ~= "table" and type(before) ~= "string") then
    error("erlua.patch.diff: two tables of files or two folders expected, got " .. type(before) .. " and " .. type(after), 2)
  end
  if type(before) == "table" then return core.diff(before, after) end
  local a, message, code = M.read(before)
  if not a then return nil, message, code end
  local b
  b, message, code = M.read(after)
  if not b then return nil, message, code end
  return core.diff(a, b)
end

---Writes changes below a folder: all of them or none, atomically, modes kept.
---@param dir string
---@param changes table<string, string|false>
---@return true|nil
---@return string? message
---@return string? code
function M.write(dir, changes) return core.write(dir, changes) end

return M
