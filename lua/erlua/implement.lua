-- implement.lua - from an idea in words to a change that applies: several samples at once,
-- of which the first that applies and passes the check wins; else the best failure goes
-- back into its own conversation with the reason.

local core = require("erlua.core.study")
local patch = require("erlua.core.patch")
local fs = require("erlua.core.fs")
local models = require("erlua.study_models")
local prompt = require("erlua.prompt")
local text = require("erlua.text")
local view = require("erlua.ideas_view")

local M = {}

local SAMPLES, REVISIONS = 10, 2
local REVISED = 3              -- samples of a revision: its conversation knows by then what was wrong
local LOG = 3000               -- bytes of a log that goes back to the model
local KEPT = 256 << 10         -- bytes of a reply that are kept with its sample

-- ---- a reply --------------------------------------------------------------------------

-- Outcomes of a reply that was not applied, by the applier's code.
local REFUSED = { no_change_found = "no_idea", no_op = "no_change" }
local RANK = { no_idea = 1, no_change = 2, refused = 3, check_failed = 4 }      -- how far a failure came

---Finds and applies the change in a reply.
---@param env erlua.env
---@param reply string
---@return table made  { changes, diff, added, removed }, or { outcome, reason, code }
function M.apply(env, reply)
  local changes, message, code = patch.apply(env.patch_files, env.rules, reply)
  if not changes then return { outcome = REFUSED[code] or "refused", reason = message, code = code } end
  local before, after = {}, {}
  for path, bytes in pairs(changes) do
    before[path] = env.pristine[path]
    after[path] = bytes or nil
  end
  local diff, added, removed = patch.diff(before, after)
  return { changes = changes, diff = diff, added = added, removed = removed, digest = fs.sha256(diff) }
end

local Work = {}
Work.__index = Work

-- The last lines of a log, as the model sees them.
local function tail(log)
  log = fs.clean(log or ""):gsub("%s+$", "")
  if #log > LOG then log = log:sub(-LOG):match("\n(.*)$") or log:sub(-LOG) end
  return log ~= "" and "```\n" .. fs.clean(log) .. "\n```" or ""
end

-- Runs the check on a change, once for each distinct one.
function Work:check(made)
  if not self.env.check_command then return made end
  local known = self.checked[made.digest]
  if not known then
    local outcome, reason, log = self.run_check(made)
    known = { outcome = outcome, reason = reason, log = log }
    self.checked[made.digest] = known
  end
  if known.outcome then
    made.outcome, made.reason, made.log, made.changes = known.outcome, known.reason, known.log, nil
  end
  return made
end

-- What a sample is worth: a change, or how far it came and what is to be said about it.
function Work:judge(reply, message, code)
  if not reply then
    return { outcome = "no_idea", reason = code .. ": " .. text.cut(text.clean(message or ""), 300), code = code }
  end
  local made = M.apply(self.env, reply.text or "")
  made.reply = reply.text or ""
  if made.changes then self:check(made) end
  return made
end

function Work:put(made, model)
  self.n = self.n + 1
  core.put("implementations", { trial = self.trial.id, n = self.n, round = self.round, model = model,
    reply = fs.clean((made.reply or ""):sub(1, KEPT)), code = made.changes and "ok" or made.code or made.outcome,
    message = made.changes and "" or fs.clean(made.reason or ""), tick = core.tick() })
end

-- ---- the conversation ---------------------------------------------------------------------

local function first_question(study, idea)
  local t = study.prompts
  local task = prompt.fill(t.implement, { idea = idea.text, region = study.env.region or "",
    parents = view.parents(study, t, idea.parents) })
  return { { role = "user", content = { { text = study.common, cache = true }, { text = task } } } }
end

---@param study erlua.study
---@param t table  the trial
---@param idea erlua.idea
---@param options {samples: integer?, revisions: integer?, model: table, check: function}
function M.new(study, t, idea, options)
  return setmetatable({ study = study, run_check = options.check, env = study.env, trial = t, idea = idea,
    model = options.model, samples = options.samples or study.opt.samples or SAMPLES,
    revisions = options.revisions or study.opt.revisions or REVISIONS,
    messages = first_question(study, idea), n = 0, round = 0, checked = {} }, Work)
end

-- The failure of a round that came farthest; among equals the first sample, whenever it came.
local function better(best, made, i)
  made.sample = i
  if not best then return made end
  local a, b = made.reply and RANK[made.outcome] or 0, best.reply and RANK[best.outcome] or 0
  if a ~= b then return a > b and made or best end
  return i < best.sample and made or best
end

-- One round of samples: the first good change, or the best of the failures.
function Work:ask(n)
  local best
  local purpose = self.round == 0 and "implement" or "revise"
  local request = models.request(self.study, { messages = self.messages, purpose = purpose, trial = self.trial.id })
  for i, reply, message, code in self.model:samples(request, n) do
    local made = self:judge(reply, message, code)
    self:put(made, reply and reply.model or self.model.spec)
    if made.changes then return made end                -- the rest is cancelled
    best = better(best, made, i)
  end
  return best
end

-- A reply and what was wrong with it go into the conversation.
function Work:say(reply, words)
  local messages = table.move(self.messages, 1, #self.messages, 1, {})
  messages[#messages + 1] = { role = "assistant", content = reply }
  messages[#messages + 1] = { role = "user", content = words }
  self.messages, self.round = messages, self.round + 1
end

function Work:explain(made)
  local t = self.study.prompts
  if made.outcome == "check_failed" then
    return prompt.fill(t.check, { command = table.concat(self.env.check_command, " "), reason = made.reason,
      log = tail(made.log) })
  end
  return prompt.fill(t.revise, { reason = fs.clean(made.reason) })
end

---Asks until a change applies and passes the check, or the revisions are used up.
---@return table made  { changes, diff, digest, … } or { outcome, reason, stage }
function Work:run()
  local made = self:ask(self.samples)
  for _ = 1, self.revisions do
    if made.changes or not made.reply or made.reply:find("^%s*$") then break end
    self:say(made.reply, self:explain(made))
    made = self:ask(math.min(self.samples, REVISED))
  end
  return self:done(made)
end

function Work:done(made)
  made.work = self
  if not made.changes then made.stage = made.outcome == "check_failed" and "check" or "patch" end
  return made
end

---The change was run and crashed: its last lines go back.
---@param made table  what crashed
---@param ended {outcome: string, stage: string, reason: string, log: string?}
---@return table made
function Work:crashed(made, ended)
  self:say(made.reply, prompt.fill(self.study.prompts.crash, { outcome = ended.outcome:gsub("_", " "), stage = ended.stage,
    reason = fs.clean(ended.reason), log = tail(ended.log) }))
  return self:done(self:ask(math.min(self.samples, REVISED)))
end

return M
