-- llm/online.lua - do the keys and the models work?  One tiny call each, on request only: it
-- is the one thing of `erlua doctor` that leaves this machine and may cost something.

local ensemble = require("erlua.ensemble")
local host = require("erlua.core.host")
local json = require("erlua.json")
local llm = require("erlua.llm")
local roles = require("erlua.study_check").ROLES

local M = {}

-- Where nobody names a model: a cheap one for each key that is set.
local CHEAP = {
  { key = "ANTHROPIC_API_KEY", model = "anthropic:claude-haiku-4-5" },
  { key = "OPENAI_API_KEY", model = "openai:gpt-4.1-nano" },
}

-- A short or a refused answer is one, too: key and model work.
local ANSWERS = { truncated = true, refusal = true }

local function check(spec)
  local made, model = pcall(llm.new, spec)
  if not made then return { model = spec, works = false, reason = tostring(model):gsub("^erlua.llm: ", "") .. "" } end
  local reply, message, code = model:chat { prompt = "Answer with the word yes.", max_tokens = 64, timeout = 60,
    purpose = "probe" }
  if reply or ANSWERS[code] then
    return { model = spec, works = true, reason = json.null, latency = reply and reply.latency or json.null,
      cost = reply and reply.cost or json.null }
  end
  return { model = spec, works = false, reason = message, code = code }
end

-- The models that a study's options name.
local function of_study(options)
  local out, known = {}, {}
  for _, role in ipairs(roles) do
    for _, m in ipairs(type(options[role]) == "string" and ensemble.parse(options[role]) or {}) do
      if not known[m.spec] and not m.spec:find("^builtin:") then out[#out + 1] = m.spec end
      known[m.spec] = true
    end
  end
  return out
end

---@param named string[]|nil  specifications that a person asked for
---@param options table|nil  of a study
---@return {model: string, works: boolean, reason: string}[]
function M.check(named, options)
  local list = named or options and of_study(options) or {}
  if not named and not options then
    for _, c in ipairs(CHEAP) do
      if (host.getenv(c.key) or "") ~= "" then list[#list + 1] = c.model end
    end
  end
  return require("erlua.tasks").map(list, check)
end

return M
