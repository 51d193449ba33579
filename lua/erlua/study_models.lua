-- study_models.lua - the models of a study: who has its ideas, who implements them, what
-- they have been worth so far, and the prompts that they are given.

local core = require("erlua.core.study")
local ensemble = require("erlua.ensemble")
local llm = require("erlua.llm")
local snapshot = require("erlua.study_snapshot")
local similar = require("erlua.similar")
local check = require("erlua.study_check")

local M = {}

local BUILTIN = "^%s*builtin:"

-- The prompts as the study keeps them, and the part that is common to all.
local function read_prompts(study)
  if study.prompts then return end
  local templates, message = snapshot.prompts(study.store)
  if not templates then error(message, 0) end
  study.prompts = templates
  study.common = require("erlua.ideas_view").environment(templates, study.env)
end

-- A model that the script names itself was not looked at when the study was opened.
local function check_named(study, spec)
  if not study.trial_room or study.how == "replayed" then return end
  local ok, message = check.model(spec, "model", study.spending and study.spending.budget.limits or {})
  if not ok then error(message, 0) end
end

local function maker(study)
  local opt = study.opt
  return function(spec)
    local known = study.models[spec]
    if known then return known end
    check_named(study, spec)
    local model
    if spec:find(BUILTIN) then
      model = llm.new(spec, { env = study.env })
      model.spec = spec
    else
      read_prompts(study)
      model = llm.new(spec, { fallback = opt.fallback, concurrency = opt.concurrency, rpm = opt.rpm, tpm = opt.tpm })
    end
    study.models[spec] = model
    return model
  end
end

---Models that share a piece of the study's work.
---@param study erlua.study
---@param spec string  "anthropic:A*3, openai:B"
---@return erlua.ensemble
function M.ensemble(study, spec)
  local e = study.ensembles[spec]
  if not e then
    e = ensemble.new(spec, maker(study), study.opt.bandit)
    study.ensembles[spec] = e
  end
  return e
end

-- At the prompt nothing is replayed: what was proposed before is read instead.
local function catch_up(study)
  if core.state() ~= "off" then return end
  study.questions = study.store:query("max_ids")[1].question
  local index = M.known_ideas(study)
  for _, idea in ipairs(study.store:query("idea_texts")) do index:add(idea.text, true) end
end

---Sets up the models that the options name.
---@param study erlua.study
function M.begin(study)
  local opt = study.opt
  study.models, study.ensembles, study.similar, study.questions = {}, {}, {}, 0
  catch_up(study)
  study.ideator = M.ensemble(study, opt.ideator or opt.model)
  local implementer = opt.implementer or (not opt.model:find(BUILTIN) and opt.model) or nil
  study.implementer = implementer and M.ensemble(study, implementer) or nil
end

---The ideas so far, to find near-duplicates in.  Those of models that a script asks by name
---are compared with their own alone.
---@param study erlua.study
---@param spec? string
---@return table index  of similar.lua
function M.known_ideas(study, spec)
  local key = spec or ""
  study.similar[key] = study.similar[key] or similar.new()
  return study.similar[key]
end

---What a model is asked, with what the options say of all calls.
---@param study erlua.study
---@param request table  of llm:chat
---@return table request
function M.request(study, request)
  local opt = study.opt
  request.thinking = opt.thinking and (math.tointeger(tonumber(opt.thinking)) or opt.thinking) or nil
  request.temperature = opt.temperature
  return request
end

---The model that is to implement an idea, or nil if the study has none for it.
---@param study erlua.study
---@param spec? string  others than the study's own
---@return table|nil model
function M.implementer(study, spec)
  local e = spec and M.ensemble(study, spec) or study.implementer
  local model = e and e:pick()
  return model and model.samples and model or nil
end

---A trial has ended: the ideator was worth it if the idea beats the baseline, the
---implementer if its change came to a reward.
---@param study erlua.study
---@param idea erlua.idea
---@param t erlua.trial
---@param above boolean  it beats the baseline
function M.credit(study, idea, t, above)
  study.ideator:credit(idea.model, above)
  if t.implementer and study.implementer then study.implementer:credit(t.implementer, t.outcome == "ok") end
end

return M
