-- llm/retry.lua - what a failed request means for its call, and how long to wait before
-- the next one.  Pure: gates and clocks are elsewhere.

local times = require("erlua.llm.times")

local M = {}

M.REQUESTS = 6                 -- a call's at most, before it is parked or given up

-- again: the endpoint may answer the same request later.  fail: it never will.  stop: no
-- other call will do better until a person has done something.
local VERDICTS = {
  connect = "again", dns = "again", tls = "again", timeout = "again", idle = "again", cut = "again", garbled = "again",
  rate_limit = "again", overloaded = "again", server = "again",
  bad_request = "fail", too_large = "fail", context = "fail", permission = "fail", not_found = "fail",
  responses_only = "fail",
  auth = "stop", billing = "stop", quota = "stop", no_key = "stop", url = "stop",
}

-- Failures of a whole model and not of one request, as long as it has never answered.
local MODEL_WIDE = { permission = true, not_found = true, responses_only = true }

local STATUS = { [408] = "again", [409] = "again", [425] = "again", [429] = "again" }

---What to do about a failure: try again, fail this call, or stop the study.
---@param failure table  of llm/wire.lua
---@param answered? boolean  has this model answered before?
---@return "again"|"fail"|"stop"
function M.verdict(failure, answered)
  local verdict = VERDICTS[failure.code]
  if not verdict then
    local status = failure.status or 0
    verdict = STATUS[status] or (status >= 500 and "again") or "fail"
  end
  -- Pages in the place of replies: a wrong URL, or, where it has been right, something in between.
  if failure.code == "url" and answered then return "again" end
  if verdict == "stop" then return "stop" end
  if failure.should_retry ~= nil then verdict = failure.should_retry and "again" or "fail" end
  if verdict == "fail" and MODEL_WIDE[failure.code] and not answered then return "stop" end
  return verdict
end

---Full jitter: anywhere between at once and twice the last limit, so that callers who
---failed together do not come back together.
---@param n integer  how many requests have failed so far
---@param unit fun(): number  a random number from 0 up to 1
---@return number seconds
function M.backoff(n, unit) return unit() * math.min(times.of("cap"), times.of("backoff") * 2.0 ^ (n - 1)) end

---Seconds until the call's next request.
---@return number seconds
---@return boolean asked  the server named the time
function M.delay(failure, n, unit)
  local asked = failure.retry_after
  if asked and asked >= 0 then return asked + unit() * math.min(asked * 0.1, 1), true end
  return M.backoff(n, unit), false
end

---Why a reply has no end.
---@param result table  whose stop_reason is max_tokens or context
---@param limit integer  the max_tokens that were sent
---@return string
function M.cut(result, limit)
  local message = string.format("the reply was cut at %d tokens, with max_tokens = %d", result.usage.output, limit)
  if result.stop_reason ~= "context" then return message end
  return message .. ": the model's context was full; ask with a shorter prompt, or a model with a larger context"
end

-- Connections that fail come with their own (engine/loop/http_fail.c).
local TROUBLE = {
  timeout = "it accepts connections and does not answer",
  idle = "it accepts requests and falls silent", rate_limit = "--concurrency, --rpm and --tpm ask for less",
  overloaded = "it says that it is overloaded", auth = "check the key", billing = "check the account",
  quota = "check the account", no_key = "set the key", not_found = "check the model's name",
}

---A sentence about what a person can do.
---@return string|nil
function M.advice(code) return TROUBLE[code] end

return M
