-- llm/room.lua - what all calls of this program share: the ledger, and what was learned of
-- the models.  Replay fills in the refusals alone, from the results that it hands out.

local host = require("erlua.core.host")
local task = require("erlua.core.task")
local stop = require("erlua.stop")
local ledgers = require("erlua.llm.ledger")

local M = {}

local REJECTED = 10            -- calls in a row that a model rejects, before the study stops

local Room = {}
Room.__index = Room

local room

local function new(ledger, waits)
  return setmetatable({ ledger = ledger, waits = waits, dropped = {}, refused = {}, rejected = {} }, Room)
end

---Calls from here on belong to a study.
---@param ledger table
---@param waits boolean  calls that cannot be made wait; at the prompt they fail
function M.begin(ledger, waits) room = new(ledger, waits) end

---@return table room  with ledger and waits
function M.get()
  room = room or new(ledgers.new(), false)
  return room
end

---Nothing more is asked until a person has done something.  Does not return.
---@param when? "now"  without waiting for what else can still be done
function Room:halt(message, when)
  local held <close> = task.hold()
  stop.study(message, when)
  task.parking():wait()
end

-- ---- refusals -----------------------------------------------------------------------------------

---A model that refused a prompt is not asked again.  Told of every refusal that a strategy is
---handed, so that a resumed study knows it too.
function Room:remember_refusal(spec, digest, explanation) self.refused[spec .. "\0" .. digest] = explanation end

function Room:refusal_of(spec, digest) return self.refused[spec .. "\0" .. digest] end

---A call was refused.  When most are, the study stops and says so.
function Room:check_refusals()
  local message = self.ledger:mostly_refused()
  if not message or not self.waits then return end
  self.paused = message
  stop.study(message)
end

---Waits for ever if the study is to stop.
function Room:check_paused()
  if self.paused then self:halt(self.paused) end
end

-- ---- what a model does not take -------------------------------------------------------------------

local function name_of(model) return model.endpoint .. "\0" .. model.provider .. ":" .. model.name end

local NONE = {}

---A set that does not change any more: it stands for what is left out of one request.
---@return table<string, true>
function Room:dropped_by(model) return self.dropped[name_of(model)] or NONE end

---Said once, though several calls may learn it at the same time.
function Room:drop(model, name, message)
  local set = { [name] = true }
  for other in pairs(self:dropped_by(model)) do set[other] = true end
  if self:dropped_by(model)[name] then return end
  self.dropped[name_of(model)] = set
  host.report(string.format("%s does not take '%s', which is left out from here on: %s", model.spec, name, message))
end

---A model gave an answer, whatever it was.
function Room:answered(spec) self.rejected[spec] = nil end

-- A prompt that is too long for one of its samples is too long for all.
local TOO_LONG = { context = true, too_large = true }

---A call was rejected.  Failures that every call of a model will meet stop the study, so that
---they burn no ideas; the samples of one question count once, or one bad prompt would stop it.
---@param together table  shared by the samples of a question
function Room:rejected_by(spec, message, code, together)
  if TOO_LONG[code] then together[spec] = { message, code } end
  if together.counted == spec then return end
  together.counted = spec
  local n = (self.rejected[spec] or 0) + 1
  self.rejected[spec] = n
  if self.waits and n >= REJECTED then
    self:halt(string.format("%s rejected %d calls in a row; the last: %s", spec, n, message))
  end
end

return M
