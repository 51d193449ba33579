-- llm/pace.lua - at most so many requests and tokens a minute: what was sent in the last
-- minute, so that no minute, wherever it begins, holds more.  Pure: the caller has the clock.

local M = {}

local Pace = {}
Pace.__index = Pace

---@param rpm integer|nil  requests a minute
---@param tpm integer|nil  tokens a minute
---@param minute number  its seconds
function M.new(rpm, tpm, minute)
  return setmetatable({ rpm = rpm or math.huge, tpm = tpm or math.huge, minute = minute,
    first = 1, last = 0, tokens = 0 }, Pace)
end

local function forget(self, now)
  while self.first <= self.last and self[self.first].time + self.minute <= now do
    self.tokens = self.tokens - self[self.first].tokens
    self[self.first] = nil
    self.first = self.first + 1
  end
end

---Seconds until a request of so many tokens may be sent; 0: now.  One that is larger than
---a minute's tokens is sent when nothing else was.
function Pace:wait(now, tokens)
  forget(self, now)
  local count, sum, i = self.last - self.first + 1, self.tokens, self.first
  while count > 0 and (count >= self.rpm or sum + tokens > self.tpm) do
    count, sum, i = count - 1, sum - self[i].tokens, i + 1
  end
  return i == self.first and 0 or self[i - 1].time + self.minute - now
end

---Notes a request that is sent; `entry.tokens` may be corrected by Pace:correct.
function Pace:note(now, tokens)
  if self.rpm == math.huge and self.tpm == math.huge then return nil end
  local entry = { time = now, tokens = tokens }
  self.last = self.last + 1
  self[self.last], self.tokens = entry, self.tokens + tokens
  return entry
end

---What the request really took, once that is known.
function Pace:correct(entry, tokens)
  if self[self.first] and entry.time >= self[self.first].time then self.tokens = self.tokens + tokens - entry.tokens end
  entry.tokens = tokens
end

return M
