-- llm/gate.lua - one an endpoint: how many requests it gets at once and a minute, and who
-- waits while it does not answer.  All calls of the program pass here, so that one 429
-- slows all of them and recovery ramps up.  Used by bodies of effects alone: what is
-- decided here is in no journal.  Its clock is the monotonic one; the time of day may jump.

local host = require("erlua.core.host")
local task = require("erlua.core.task")
local pace = require("erlua.llm.pace")
local retry = require("erlua.llm.retry")
local times = require("erlua.llm.times")
local stop = require("erlua.stop")
local text = require("erlua.text")

local M = {}

local CONCURRENCY = 256        -- requests in flight, unless told

local Gate = {}
Gate.__index = Gate

local settings = {}            -- concurrency, rpm, tpm, patience: of the program's study
local gates = {}               -- by endpoint

---How the gates of this program behave; patience makes calls park instead of fail.
---@param s {concurrency: integer?, rpm: integer?, tpm: integer?, patience: number?, time_left: (fun(): number)?}
---  time_left: seconds of the study's --budget wall=…; it stops the study when they are over
function M.configure(s)
  settings, gates = s, {}
end

---@param endpoint string  "https://api.openai.com:443"
---@param own? {concurrency: integer?, rpm: integer?, tpm: integer?}  options of a model, where the study has none
function M.of(endpoint, own)
  local g = gates[endpoint]
  if g then return g end
  local function option(name) return settings[name] or own and own[name] end
  local cap = option("concurrency") or CONCURRENCY
  g = setmetatable({ endpoint = endpoint, cap = cap, window = cap, calm = cap, cuts = 0, in_flight = 0,
    paused = -math.huge, queue = {}, answers = 0,
    pace = pace.new(option("rpm"), option("tpm"), times.of("minute")) }, Gate)
  gates[endpoint] = g
  return g
end

-- ---- who may go -------------------------------------------------------------------------------

-- Is it closed for so long that the study may end meanwhile?
function Gate:closed(now) return self.down ~= nil or self.paused - now > times.of("honoured") end

-- Seconds until the next try of an endpoint that is down.
function Gate:until_probe(now)
  local down = self.down
  local left = down.since + settings.patience - now
  if left <= 0 then
    if not self.given_up then
      self.given_up = true
      stop.study(string.format("%s has not answered for %s (--patience): %s", self.endpoint,
        text.duration(now - down.since), down.message))
    end
    return math.huge
  end
  if self.probing then return math.huge end
  return down.next <= now and 0 or math.min(down.next - now, left)
end

-- Seconds until the first in the queue may go: 0 now, math.huge when somebody wakes it.
function Gate:wait_for(now, tokens)
  if host.stopping() then return math.huge end
  if self.down then return self:until_probe(now) end
  if self.paused > now then return self.paused - now end
  if self.in_flight >= math.max(1, math.floor(self.window)) then return math.huge end
  return self.pace:wait(now, tokens)
end

function Gate:wake_first()
  local first = self.queue[1]
  if first then first.parking:wake() end
end

function Gate:wake_all()
  for _, waiter in ipairs(self.queue) do waiter.parking:wake() end
end

local Waiter = {}
function Waiter.__close(w)
  if w.held then w.held:close() end
  for i, other in ipairs(w.gate.queue) do
    if other == w then table.remove(w.gate.queue, i) break end
  end
  w.gate:wake_first()
end

local function time_left() return settings.time_left and settings.time_left() or math.huge end

-- A call that waits for a closed gate does not keep a study alive that has nothing else to do.
local function hold(w, closed)
  if closed and not w.held then w.held = task.hold() end
  if not closed and w.held then
    w.held:close()
    w.held = nil
  end
end

function Gate:queue_up(tokens)
  local w <close> = setmetatable({ gate = self, parking = task.parking() }, Waiter)
  self.queue[#self.queue + 1] = w
  while true do
    local now, left = task.clock(), time_left()
    local seconds = left > 0 and self.queue[1] == w and self:wait_for(now, tokens) or math.huge
    if seconds <= 0 then return w.parked end
    w.parked = w.parked or self.down ~= nil
    hold(w, left <= 0 or self:closed(now))
    if left > 0 then seconds = math.min(seconds, left) end
    w.parking:wait(seconds < math.huge and seconds or nil)
  end
end

-- ---- a request's way through ----------------------------------------------------------------------

local Pass = {}
Pass.__index = Pass

---Waits until the endpoint may be asked.
---@param tokens integer  an estimate, for --tpm
---@return table pass  to be closed; :answered() or :failed() says how it went; `probe`: the endpoint is
---  down and this request tries it; `parked`: it was, and answers again
function Gate:enter(tokens)
  local waits = #self.queue > 0 or time_left() <= 0 or self:wait_for(task.clock(), tokens) > 0
  local parked = waits and self:queue_up(tokens)
  local now = task.clock()
  self.in_flight = self.in_flight + 1
  local pass = setmetatable({ gate = self, cuts = self.cuts, parked = parked, probe = self.down ~= nil,
    entry = self.pace:note(now, tokens) }, Pass)
  if pass.probe then self.probing = true end
  return pass
end

-- What the server said about its limits.
local function heed(self, limits)
  if not limits or not limits.reset then return end
  if limits.requests_left == 0 or limits.tokens_left == 0 then
    self.paused = math.max(self.paused, task.clock() + math.min(limits.reset, times.of("honoured")))
  end
end

function Gate:reopen()
  if not self.down then return end
  local waiting = #self.queue > 0 and "; " .. text.count(#self.queue, "call goes on", "calls go on") or ""
  host.report(string.format("%s answers again after %s%s", self.endpoint,
    text.duration(task.clock() - self.down.since), waiting))
  self.down, self.given_up = nil, nil
  self:wake_all()
end

---The endpoint gave an answer, be it a refusal of the request itself.
---@param tokens? integer  that the request took
---@param limits? table  requests_left, tokens_left, reset
function Pass:answered(tokens, limits)
  local g = self.gate
  g.answers = g.answers + 1
  if g.window < g.cap then g.window = math.min(g.cap, g.window + (g.window < g.calm and 1 or 1 / g.window)) end
  if self.entry and tokens then g.pace:correct(self.entry, tokens) end
  heed(g, limits)
  g:reopen()
end

-- Half of what was in flight was too much, once for all requests that were sent before it was known.
local function cut(self, pass)
  if pass.cuts ~= self.cuts then return end
  self.cuts = self.cuts + 1
  self.calm = math.max(1, self.in_flight // 2)
  self.window = self.calm
end

-- The server asked for a pause that is too long for a call to sit out.
local function close_for(self, seconds, message)
  host.report(string.format("%s wants no requests for %s: %s", self.endpoint, text.duration(seconds), message))
  self.window = 1
  if settings.patience and seconds > settings.patience then
    stop.study(string.format("%s wants no requests for %s, which is longer than --patience: %s", self.endpoint,
      text.duration(seconds), message))
  end
  self:wake_all()
end

---The endpoint gave no answer, or asked for less.
---@param failure table
---@param seconds number  that the server asked to wait, or 0
function Pass:failed(failure, seconds)
  local g, now = self.gate, task.clock()
  if failure.code == "rate_limit" or failure.code == "overloaded" then cut(g, self) end
  heed(g, failure.gate)
  local already = g:closed(now)
  g.paused = math.max(g.paused, now + seconds)
  if not already and seconds > times.of("honoured") then close_for(g, seconds, failure.message) end
  if self.probe and g.down then
    g.down.interval = math.min(g.down.interval * 1.5, times.of("probe_max"))
    g.down.next = now + g.down.interval
  end
end

---The request is over, however it went.
function Pass:close()
  local g = self.gate
  if self.over then return end
  self.over = true
  g.in_flight = g.in_flight - 1
  if self.probe then g.probing = false end
  g:wake_first()
end
Pass.__close = Pass.close

---A call has used up its requests: nobody asks this endpoint again but for a probe now and then.
---@param failure table
function Gate:shut(failure)
  if self.down then return end
  local now, first = task.clock(), times.of("probe")
  self.down = { since = now, interval = first, next = now + first, message = failure.message }
  self.window, self.calm = 1, math.max(1, self.calm // 2)
  local advice = retry.advice(failure.code)
  host.report(string.format("%s does not answer: %s%s. Calls wait; it is tried again in %s, and the study stops "
    .. "after %s (--patience)", self.endpoint, failure.message, advice and " (" .. advice .. ")" or "",
    text.duration(first), text.duration(settings.patience)))
  self:wake_all()
end

---For the progress line: "api.openai.com does not answer: 12 calls wait".
---@return string|nil
function M.note()
  for endpoint, g in pairs(gates) do
    if g.down then
      return endpoint:gsub("^%w+://", "") .. " does not answer: " .. text.count(#g.queue, "call waits", "calls wait")
    end
  end
end

return M
