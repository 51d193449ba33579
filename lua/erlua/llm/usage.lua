-- llm/usage.lua - tokens: what a provider counted, or an estimate that is marked as one.
-- usage = { input, cache_read, cache_write, output, thinking, estimated }: input without
-- what was read from or written to a cache, output with the thinking in it.

local M = {}

local BYTES = 3.5              -- of text in a token, somewhat less than code and English have

---About how many tokens a text has.
---@param text string
---@return integer
function M.count(text) return math.ceil(#text / BYTES) end

local function content(v)
  if type(v) == "string" then return M.count(v) end
  local n = 0
  for _, part in ipairs(type(v) == "table" and v or {}) do
    n = n + M.count(type(part) == "table" and tostring(part.text or "") or tostring(part))
  end
  return n
end

---About how many tokens the prompt of a request has.
---@param request table
---@return integer
function M.of_request(request)
  local n = content(request.system) + content(request.prompt) + 8
  for _, message in ipairs(request.messages or {}) do n = n + content(message.content) + 4 end
  return n
end

---Usage of a reply that nobody counted, from what was sent and what arrived.
function M.estimate(request, text, thinking)
  local thought = M.count(thinking or "")
  return { input = M.of_request(request), cache_read = 0, cache_write = 0, output = M.count(text) + thought,
    thinking = thought, estimated = true }
end

---A number of tokens from somewhere else: nil unless it can be one.
---@return integer|nil
function M.tokens(v)
  if type(v) ~= "number" or v ~= v or v < 0 or v > 1e10 then return nil end
  return math.floor(v)
end

return M
