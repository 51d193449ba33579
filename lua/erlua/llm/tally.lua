-- llm/tally.lua - usages of several requests as one, and those that must be guessed: of a
-- call that has not been made, and of one that was cancelled while its reply arrived.

local usages = require("erlua.llm.usage")

local M = {}

-- The numbers of a usage.
M.KINDS = { "input", "cache_read", "cache_write", "output", "thinking" }

local KINDS = M.KINDS

---@return table usage  of nothing
function M.none() return { input = 0, cache_read = 0, cache_write = 0, output = 0, thinking = 0, estimated = false } end

---Adds a usage to another; a sum with an estimate in it is one.
function M.add(to, usage)
  for i = 1, #KINDS do to[KINDS[i]] = to[KINDS[i]] + (usage[KINDS[i]] or 0) end
  to.estimated = to.estimated or usage.estimated or false
end

---What a request will take.
---@param request table
---@param output integer  tokens
function M.expected(request, output)
  return { input = usages.of_request(request), cache_read = 0, cache_write = 0, output = output, thinking = 0,
    estimated = true }
end

---Tokens of all kinds.
function M.tokens(usage) return usage.input + usage.cache_read + usage.cache_write + usage.output end

return M
