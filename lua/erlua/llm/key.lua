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

local LONG = 12                -- a shorter key may be a word, such as EMPTY: texts of a model keep it

---A text without the key.  Messages are cut to a length: of a long key its beginning goes, too.
---@param s string
---@param key string|nil
---@return string
function M.scrub(s, key)
  if not key or #key < 4 then return s end
  local head = #key < LONG and key or key:sub(1, 8)
  local from, out = 1, {}
  while true do
    local i = s:find(head, from, true)
    if not i then return table.concat(out) .. s:sub(from) end
    local n = #head
    while n < #key and s:byte(i + n) == key:byte(n + 1) do n = n + 1 end
    out[#out + 1] = s:sub(from, i - 1) .. "[key]"
    from = i + n
  end
end

---What a model said, without the key, should a server repeat it there.
---@param s string
---@param key string|nil
---@return string
function M.scrub_reply(s, key)
  if not key or #key < LONG or not s:find(key, 1, true) then return s end
  return M.scrub(s, key)
end

return M
