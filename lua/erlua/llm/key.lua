-- llm/key.lua - the key of a model, read from the environment when a request is made and
-- kept nowhere: not in a model, not in a request that is encoded or logged.

local host = require("erlua.core.host")

local M = {}

---os.getenv would write what it reads into a study's journal.
---@param model table  of llm/spec.lua
---@return string|nil key  nil without a message: none is needed
---@return string? message
function M.of(model)
  local name = model.key_env
  if not name then return nil end
  local key = (host.getenv(name) or ""):gsub("^%s+", ""):gsub("%s+$", "")
  if key == "" then return nil, string.format("%s is not set: it holds the key for %s", name, model.host) end
  if key:find("[%c%s\x7f-\xff]") then
    return nil, string.format("%s holds a space, a line break or another character that no key has", name)
  end
  return key
end

---A text without the key, as it came or in quotes.
---@param s string
---@param key string|nil
---@return string
function M.scrub(s, key)
  if not key or #key < 4 then return s end
  return (s:gsub(key:gsub("%p", "%%%0"), "[key]"))
end

return M
