-- llm/call.lua - one call to a model, taken through budget, gate and retries to a reply or
-- a reason why there is none.  The one retry layer: nothing above or below it repeats a
-- request.  Runs in the body of an effect, so that a reply is asked for once in a study's life.

local task = require("erlua.core.task")
local compose = require("erlua.llm.compose")
local gates = require("erlua.llm.gate")
local models = require("erlua.llm.models")
local prices = require("erlua.llm.prices")
local retry = require("erlua.llm.retry")
local rooms = require("erlua.llm.room")
local times = require("erlua.llm.times")
local tally = require("erlua.llm.tally")
local wire = require("erlua.llm.wire")

local M = {}

local function jitter() return (math.random() + task.clock() * 997.0) % 1 end

-- A request that may be changed, above one that many calls share.
local function own(request) return setmetatable({}, { __index = request }) end

-- ---- a call ---------------------------------------------------------------------------------------

local Call = {}
Call.__index = Call

local function new_call(room, model, request, context)
  local self = setmetatable({ room = room, model = model, request = own(request), context = context,
    gate = gates.of(model.endpoint, model.options), usage = tally.none(),
    requests = 0, round = 0, strikes = 0, probes = 0 }, Call)
  self.most = compose.limit(request, models.of(model))
  self.estimate = tally.expected(request, room.ledger:expected_output(model.spec, context.purpose, self.most))
  return self
end

function Call:begin()
  local ledger, cost = self.room.ledger, prices.cost(self.model, self.estimate)
  if not cost and ledger.budget.limits.cost then       -- a model that the script itself has made
    if self.room.waits then self.room:halt(prices.unknown(self.model), "now") end
    return nil, prices.unknown(self.model)
  end
  local ok, message = ledger:admit(self.estimate, cost, self.room.waits)
  if not ok then return nil, message end
  local path, seq = task.path():match("^(.-)%.b(%d+)")
  local context, model = self.context, self.model
  self.entry = ledger:begin({ path = path or task.path(), seq = math.tointeger(tonumber(seq)) or 0, trial = context.trial,
    purpose = context.purpose, model = model.spec, endpoint = model.endpoint }, self.estimate, cost)
  return true
end

function Call:finish(state, message)
  if not self.entry then return end
  local entry = self.entry
  self.entry = nil
  entry:finish(state, self.usage, prices.cost(self.model, self.usage),
    { requests = self.requests, latency = self.latency, error = message })
end

-- Cancelled: its prompt was paid for, and what arrived of the reply.
function Call:__close()
  if not self.entry then return end
  local reader = self.hooks and self.hooks.reader
  if reader then tally.add(self.usage, reader:partial().usage)
  elseif self.hooks then tally.add(self.usage, tally.expected(self.request, 0)) end
  self:finish("cancelled")
end

-- N+1 requests are a round; what was parked starts anew.
function Call:start_round() self.round, self.seen = 0, nil end

-- Waits until the endpoint may be asked.
function Call:enter()
  local pass = self.gate:enter(self.estimate.input + self.estimate.output)
  if self.room.paused then
    pass:close()
    self.room:check_paused()
  end
  if pass.parked or pass.probe then
    self.strikes = 0
    self:start_round()
  end
  self.seen = self.seen or self.gate.answers
  self.requests, self.round = self.requests + 1, self.round + 1
  return pass
end

-- What a failure means, for this call and for all others of the endpoint.
function Call:weigh(failure, pass)
  self.entry:back(self.usage, prices.cost(self.model, self.usage), self.requests)
  self.verdict = retry.verdict(failure, self.room.ledger.answers[self.model.spec])
  self.wait, self.asked = retry.delay(failure, self.round, jitter)
  if self.verdict ~= "again" then return pass:answered(nil, failure.gate) end
  local closes = self.asked and (self.room.waits or self.wait <= times.of("honoured"))
  pass:failed(failure, closes and self.wait or 0)
end

-- One request.  Returns the result, or nil, the failure and whether it was only to see if
-- the endpoint is there.
function Call:send()
  local pass <close> = self:enter()
  local flight <close> = task.calling()
  self.request.without = self.room:dropped_by(self.model)
  self.entry:sent(self.usage, prices.cost(self.model, self.usage), self.requests)
  local began = task.clock()
  self.hooks = { started = self.context.started, text = self.request.on_text }
  local result, failure = wire.attempt(self.model, self.request, self.hooks)
  self.latency, self.hooks = task.clock() - began, nil
  local usage = result and result.usage or failure.partial and failure.partial.usage
  if usage then tally.add(self.usage, usage) end
  if result then
    pass:answered(usage.input + usage.cache_write + usage.output, result.gate)
    return result
  end
  self:weigh(failure, pass)
  return nil, failure, pass.probe
end

-- A call that failed as often as it may.  If others were answered meanwhile it gets one more
-- round a while later, and then it is its own fault; else nobody is answered.
function Call:give_up(failure)
  if not self.room.waits then return true end
  if self.gate.answers > self.seen then
    self.strikes = self.strikes + 1
    if self.strikes > 1 then return true end
    task.sleep(times.of("probe"))
  else
    self.gate:shut(failure)
  end
  self:start_round()
  return false
end

-- A call that tried an endpoint three times in vain asks it something tiny: when that is
-- answered, the endpoint is there and it is the call that cannot be answered.
function Call:is_the_cause()
  self.probes = self.probes + 1
  if self.probes % 3 ~= 0 then return false end
  local mine = self.request
  self.request = { prompt = "Answer with the word yes.", max_tokens = 64 }
  local answered = self:send() ~= nil or self.verdict ~= "again"
  self.request, self.verdict = mine, "again"
  return answered
end

-- After a failed request: true when another one may be sent.
function Call:again(failure, probe)
  local name = failure.parameter
  if name and not self.request.without[name] and self.round < retry.REQUESTS then
    self.room:drop(self.model, name, failure.message)
    return true
  end
  if self.verdict ~= "again" then return false end
  if probe then return not self:is_the_cause() end
  if self.round >= retry.REQUESTS then return not self:give_up(failure) end
  if self.asked and self.wait > times.of("honoured") then return self.room.waits end
  if not self.asked then task.sleep(self.wait) end     -- else the gate is closed for that long
  return true
end

local CUT = { max_tokens = true, context = true }

-- A reply that was cut is asked for once more, with twice the room if the model has it.
function Call:may_double()
  local most = models.of(self.model).output or math.huge
  if self.doubled or self.round >= retry.REQUESTS or self.most >= most then return false end
  self.doubled = true
  self.request.max_tokens = math.min(2 * self.most, most)
  return true
end

-- The whole call: the last result, or nil and the failure.
function Call:ask()
  local cut
  while true do
    local result, failure, probe = self:send()
    if result and CUT[result.stop_reason] and self:may_double() then
      cut = result
    elseif result then
      return result
    elseif not self:again(failure, probe) then
      return cut, failure
    end
  end
end

-- ---- its end --------------------------------------------------------------------------------------

local function reply_of(call, result)
  return { text = result.text, thinking = result.thinking, stop_reason = result.stop_reason, usage = call.usage,
    cost = prices.cost(call.model, call.usage), model = call.model.spec, id = result.id,
    latency = call.latency, attempts = call.requests }
end

local function failed(call, failure)
  call:finish("error", failure.message)
  local advice, room = retry.advice(failure.code), call.room
  local message = failure.message .. (advice and " (" .. advice .. ")" or "")
  if call.verdict == "stop" and room.waits then room:halt(message, "now") end
  if call.verdict == "fail" then room:rejected_by(call.model.spec, message, failure.code, call.context.together) end
  return nil, message, failure.code
end

local function refused(call, explanation, fallback)
  call.entry.taken_over = fallback ~= nil
  call:finish("refused", explanation)
  call.room:remember_refusal(call.model.spec, call.context.digest, explanation)
  call.room:check_refusals()
  return nil, explanation, "refusal"
end

local function ended(call, result, fallback)
  call.room:answered(call.model.spec)
  if result.stop_reason == "refusal" then
    return refused(call, result.refusal or "the model refuses and gives no reason", fallback)
  end
  if CUT[result.stop_reason] then
    local message = retry.cut(result, call.request.max_tokens or call.most)
    call:finish("truncated", message)
    return nil, message, "truncated"
  end
  call:finish("ok")
  return reply_of(call, result)
end

local function ask_one(room, model, request, context, fallback)
  local explanation = room:refusal_of(model.spec, context.digest)
  if explanation then return nil, explanation, "refusal" end
  if context.together[model.spec] then return nil, table.unpack(context.together[model.spec]) end
  room:check_paused()
  local call <close> = new_call(room, model, request, context)
  local ok, message = call:begin()
  if not ok then return nil, message, "budget" end
  local result, failure = call:ask()
  if result then return ended(call, result, fallback) end
  return failed(call, failure)
end

---A call, and after a refusal the same of the model's fallback.
---@param model table
---@param request table  of llm/question.lua
---@param context {purpose: string, trial: integer?, digest: string, together: table, started: fun()?}  `together` is
---  shared by all samples of a question, and empty at first
---@return table|nil reply
---@return string? message
---@return string? code
function M.ask(model, request, context)
  local room = rooms.get()
  local reply, message, code = ask_one(room, model, request, context, model.fallback)
  if code ~= "refusal" or not model.fallback then return reply, message, code end
  local first = message
  reply, message, code = ask_one(room, model.fallback, request, context)
  if reply then reply.refused = first end
  if code == "refusal" then message = first end
  return reply, message, code
end

return M
