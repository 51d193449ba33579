-- llm/limits.lua - what a reply's headers say about waiting: Retry-After in its forms,
-- and how much of the allowance is left.  Header names are lower case.

local host = require("erlua.core.host")

local M = {}

local MONTHS = { Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11,
  Dec = 12 }
local UNITS = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 }

-- Days since 1970 of a date of the Gregorian calendar; os.time would take it as local.
local function days(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + day - 719469
end

local function seconds(year, month, day, h, m, s)
  return days(year, month, day) * 86400 + h * 3600 + m * 60 + s
end

---A point of time in seconds since 1970: an HTTP date or an RFC 3339 one.
---@param text string
---@return number|nil
function M.date(text)
  local day, name, year, h, m, s = text:match("^%a+, (%d+)[ -](%a%a%a)[ -](%d%d%d%d) (%d%d):(%d%d):(%d%d)")
  if day and MONTHS[name] then
    return seconds(tonumber(year), MONTHS[name], tonumber(day), tonumber(h), tonumber(m), tonumber(s))
  end
  local y, mo, d, hh, mm, ss, zone = text:match("^(%d%d%d%d)-(%d%d)-(%d%d)[Tt ](%d%d):(%d%d):(%d%d%.?%d*)(.*)$")
  if not y then return nil end
  local sign, zh, zm = zone:match("^([+-])(%d%d):?(%d%d)$")
  local shift = sign and (tonumber(zh) * 3600 + tonumber(zm) * 60) * (sign == "+" and 1 or -1) or 0
  return seconds(tonumber(y), tonumber(mo), tonumber(d), tonumber(hh), tonumber(mm), tonumber(ss)) - shift
end

---A length of time such as "6m0s", "1.5s", "20ms", "1h2m3s", or plain seconds.
---@param text string
---@return number|nil seconds
function M.span(text)
  local plain = tonumber(text)
  if plain then return plain >= 0 and plain < math.huge and plain or nil end
  local total, rest = 0, text:gsub("%s", "")
  if rest == "" then return nil end
  while rest ~= "" do
    local n, unit, after = rest:match("^(%d+%.?%d*)(%a+)(.*)$")
    if not n or not UNITS[unit] then return nil end
    total, rest = total + tonumber(n) * UNITS[unit], after
  end
  return total
end

-- The sender's clock if it says the time, so that a wrong one here does no harm.
local function now(headers)
  return headers.date and M.date(headers.date) or host.time()
end

-- Seconds from now until a time given as a date, as seconds since 1970, or as a length.
local function wait(headers, text)
  if not text then return nil end
  local at = M.date(text)
  local span = not at and M.span(text)
  if span and span > 1e12 then at = span / 1000 elseif span and span > 1e9 then at = span end
  if at then return math.max(0, at - now(headers)) end
  return span or nil
end

---How long the sender asks to wait before the next request.
---@param headers table<string, string>
---@return number|nil seconds
function M.retry_after(headers)
  local ms = tonumber(headers["retry-after-ms"])
  if ms and ms >= 0 and ms < 1e12 then return ms / 1000 end
  return wait(headers, headers["retry-after"])
end

---What x-should-retry says.
---@return boolean|nil
function M.should_retry(headers)
  local v = headers["x-should-retry"]
  if v == "true" then return true elseif v == "false" then return false end
  return nil
end

local function count(text)
  local n = tonumber(text)
  return n and n >= 0 and n < 1e15 and math.floor(n) or nil
end

-- Each row: requests left, their reset, then pairs of tokens left and reset.
local FAMILIES = {
  { "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset",
    { "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset" },
    { "anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset" },
    { "anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset" } },
  { "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests",
    { "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens" } },
  { "x-ratelimit-remaining", "x-ratelimit-reset" },
}

local function read(headers, family)
  local out = { requests_left = count(headers[family[1]]) }
  out.requests_reset = out.requests_left and wait(headers, headers[family[2]])
  for i = 3, #family do
    local left = count(headers[family[i][1]])
    if left and (not out.tokens_left or left < out.tokens_left) then
      out.tokens_left, out.tokens_reset = left, wait(headers, headers[family[i][2]])
    end
  end
  if out.requests_left or out.tokens_left then return out end
end

---What is left of the allowance: of several kinds of tokens the scarcest.  `reset` is
---the time until what is used up is there again, or the longer of both.
---@param headers table<string, string>
---@return {requests_left: integer?, tokens_left: integer?, reset: number?}|nil
function M.gate(headers)
  for _, family in ipairs(FAMILIES) do
    local found = read(headers, family)
    if found then
      local a = found.requests_left and found.requests_reset or nil
      local b = found.tokens_left and found.tokens_reset or nil
      if found.requests_left == 0 and found.tokens_left ~= 0 then b = nil end
      if found.tokens_left == 0 and found.requests_left ~= 0 then a = nil end
      return { requests_left = found.requests_left, tokens_left = found.tokens_left,
        reset = a and b and math.max(a, b) or a or b }
    end
  end
end

return M
