-- llm/times.lua - how long calls wait for what.  ERLUA_LLM_TIMES gives other times, as
-- "backoff=0.01 probe=0.1": tests need seconds to be milliseconds.

local host = require("erlua.core.host")
local units = require("erlua.units")

local M = {}

local TIMES = {
  backoff = 1,               -- the first retry comes within this time, the next within twice that, …
  cap = 60,                  -- … and none later than this
  honoured = 120,            -- a Retry-After up to this is waited for by its call, a longer one closes the gate
  probe = 60,                -- a model's endpoint that is down is tried again after this, …
  probe_max = 300,           -- … later ever less often, until this
  minute = 60,               -- what --rpm and --tpm count in
}

local now

---Other times, for tests.
---@param given table<string, number>
function M.set(given)
  now = {}
  for name, seconds in pairs(TIMES) do now[name] = given[name] or seconds end
end

local function read()
  local given = {}
  for name, v in (host.getenv("ERLUA_LLM_TIMES") or ""):gmatch("([%w_]+)=(%S+)") do
    given[name] = tonumber(v) or units.seconds(v)
  end
  M.set(given)
  return now
end

---@param name "backoff"|"cap"|"honoured"|"probe"|"probe_max"|"minute"
---@return number seconds
function M.of(name) return (now or read())[name] end

return M
