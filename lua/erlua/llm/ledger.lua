-- llm/ledger.lua - every call to a model and what it cost, in the study's table `calls`.
-- A row stands there, with an estimate, before the first request is sent: a call whose
-- reply never came was paid for all the same.  Rows are records of the world, as curves
-- are: written when things happen, never by a strategy.

local host = require("erlua.core.host")
local task = require("erlua.core.task")
local budgets = require("erlua.budget")
local json = require("erlua.json")
local stop = require("erlua.stop")
local tally = require("erlua.llm.tally")

local M = {}

local Ledger = {}
Ledger.__index = Ledger

local Entry = {}
Entry.__index = Entry

-- ---- what is known of earlier calls ------------------------------------------------------------

local GUESS = 4000             -- tokens of an answer, before there was any to learn from
local MARGIN = 1.5             -- an estimate is so much above the mean

local function kind(model, purpose) return model .. "\0" .. purpose end

local function learn(self, model, purpose, n, output)
  local key = kind(model, purpose)
  local seen = self.seen[key] or { n = 0, output = 0 }
  self.seen[key] = seen
  seen.n, seen.output = seen.n + n, seen.output + output
end

---How many tokens an answer may have.
---@param most integer  the request's limit
function Ledger:expected_output(model, purpose, most)
  local seen = self.seen[kind(model, purpose)]
  local guess = seen and math.max(256, math.ceil(MARGIN * seen.output / seen.n)) or GUESS
  return math.min(guess, most)
end

-- What earlier engines of this study spent; their open calls were lost, with what they may have cost.
local function load_rows(self)
  for _, row in ipairs(self.store:query("calls_open")) do
    self.store:change("calls", { id = row.id, state = "lost", error = "the engine ended before the reply came" })
  end
  local sum = self.store:query("calls_total")[1]
  self.last = sum.last
  self.budget:spend { cost = sum.cost, tokens = sum.tokens, calls = sum.calls }
  for _, row in ipairs(self.store:query("calls_answered")) do
    learn(self, row.model, row.purpose, row.n, row.output)
    self.answers[row.model] = (self.answers[row.model] or 0) + row.n
  end
end

---@param store table|nil  of the study; without one nothing is written
---@param limits? table  of budget.parse
function M.new(store, limits)
  local self = setmetatable({ store = store, budget = budgets.new(limits), seen = {}, answers = {}, last = 0,
    refused = 0, answered = 0, parking = task.parking() }, Ledger)
  if store then load_rows(self) end
  return self
end

-- ---- calls -------------------------------------------------------------------------------------

-- Time is spent by the clock alone, but a call is no more begun when it is over.
local function amounts(usage, cost) return { cost = cost or 0, tokens = tally.tokens(usage), calls = 1, wall = 0 } end

local KINDS = tally.KINDS

local function columns(usage, row)
  for i = 1, #KINDS do
    local v = usage[KINDS[i]]
    row[KINDS[i]] = math.tointeger(v) or math.floor(v or 0)
  end
  row.estimated = usage.estimated and 1 or 0
  return row
end

---Waits until the budget has room for a call.
---@param usage table  an estimate
---@param cost number|nil
---@param waits boolean  one that will never have any is held for ever, and the study stops when nothing else is left
---  to do; else it fails
---@return boolean|nil ok
---@return string? message
function Ledger:admit(usage, cost, waits)
  if self.before_call then self.before_call() end
  local estimate = amounts(usage, cost)
  local why, name = self.budget:refuses(estimate)
  if not why then return true end
  local held <close> = task.hold()
  while why do
    if why == "spent" then
      local message = self.budget:spent_message(name, estimate[name])
      if not waits then return nil, message end
      stop.study(message)
    end
    self.parking:wait()
    why, name = self.budget:refuses(estimate)
  end
  return true
end

---A call begins: its estimate is set aside.
---@param call {path: string, seq: integer, trial: integer?, purpose: string, model: string, endpoint: string}
---@param usage table  an estimate
---@param cost number|nil
---@return table entry  with :sent(), :back() and :finish(…)
function Ledger:begin(call, usage, cost)
  local estimate = amounts(usage, cost)
  self.budget:begin(estimate)
  return setmetatable({ ledger = self, call = call, usage = usage, cost = cost, estimate = estimate }, Entry)
end

local function write(entry, row)
  local store, call = entry.ledger.store, entry.call
  row.id = entry.id
  local ok, message
  if entry.written then
    ok, message = store:change("calls", row)
  else
    for name, v in pairs(call) do row[name] = v end
    row.time, entry.written = host.time(), true
    ok, message = store:write("calls", row)
  end
  if not ok then error(message, 0) end
end

-- A sum with something unknown in it is unknown.
local function plus(a, b) return a and b and a + b end

---A request goes out: until it is back the row holds what it may take besides what was used.
---@param used table  usage of the requests before
---@param cost number|nil  theirs
---@param requests integer  this one among them
function Entry:sent(used, cost, requests)
  if not self.id then
    self.ledger.last = self.ledger.last + 1
    self.id = self.ledger.last
  end
  if not self.ledger.store then return end
  local usage = self.usage
  if requests > 1 then
    usage = tally.none()
    tally.add(usage, used)
    tally.add(usage, self.usage)
  end
  write(self, columns(usage, { state = "open", requests = requests, cost = plus(cost, self.cost) or json.null }))
end

---A request failed, and another may follow.
function Entry:back(used, cost, requests)
  if not self.ledger.store then return end
  write(self, columns(used, { state = "open", requests = requests, cost = cost or json.null }))
end

local ANSWERED = { ok = true, refused = true, truncated = true }

-- A refusal that a fallback takes over is no refused call yet.
local function count(ledger, call, state, usage, taken_over)
  if not ANSWERED[state] then return end
  learn(ledger, call.model, call.purpose, 1, usage.output)
  ledger.answers[call.model] = (ledger.answers[call.model] or 0) + 1
  if taken_over then return end
  if state == "refused" then ledger.refused = ledger.refused + 1 end
  ledger.answered = ledger.answered + 1
end

---A call has ended.  One that was never sent leaves no row.
---@param state "ok"|"refused"|"truncated"|"error"|"cancelled"
---@param usage table  of all its requests
---@param cost number|nil  nil: unknown
---@param row {requests: integer, latency: number?, error: string?}
function Entry:finish(state, usage, cost, row)
  local ledger = self.ledger
  ledger.budget:finish(self.estimate, self.id and amounts(usage, cost) or {})
  count(ledger, self.call, state, usage, self.taken_over)
  row.state, row.cost = state, cost or json.null
  if self.id and ledger.store then write(self, columns(usage, row)) end
  ledger.parking:wake()
  if ledger.after_call then ledger.after_call() end
end

local ENOUGH = 10              -- answers, before their share of refusals means anything

---Were more than half of this engine's calls refused?  Counted anew after a resume, by
---which a person says that it may go on.
---@return string|nil message
function Ledger:mostly_refused()
  if self.answered < ENOUGH or self.refused * 2 <= self.answered then return nil end
  return string.format("%d of %d calls were refused by the model; look at `erlua trials`, then resume to go on all the "
    .. "same, or start anew with another model, other prompts or a --fallback", self.refused, self.answered)
end

return M
