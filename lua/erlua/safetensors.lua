-- safetensors.lua - checkpoints: named tensors in a file, in the format of Hugging Face.

local core = require("erlua.core.model")

local M = {}

---Writes tensors to a file, whole or not at all: it is written beside `path`, synced and renamed, and
---when that fails (a full disk, say) what was at `path` is still there.
---@param path string
---@param tensors table<string, erlua.tensor>  by name; views and shared storage are fine
---@param metadata? table<string, string>
---@return true|nil
---@return string? message
---@return string? code
M.save = core.save

---Reads a file. Its header is checked in whole before anything is read; links and what is no regular file are refused.
---@param path string|integer  or the number of an open descriptor
---@param options? {names: string[]}  only these; one that is missing is an error
---@return table<string, erlua.tensor>|nil tensors
---@return table<string, string>|string metadata  or the message
---@return string? code
function M.load(path, options)
  for name in pairs(options or {}) do
    if name ~= "names" then error("safetensors.load: there is no option '" .. tostring(name) .. "'", 2) end
  end
  return core.load(path, options and options.names)
end

---What a file holds, without reading the tensors: a list sorted by name, its metadata, how many numbers in all, and
---how many bytes the names, shapes and metadata take there.
---@param path string|integer
---@return {name: string, dtype: string, shape: integer[]}[]|nil entries
---@return table<string, string>|string metadata  or the message
---@return integer|string numbers  or the code
---@return integer? bytes
M.header = core.header

return M
