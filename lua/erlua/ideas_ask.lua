-- ideas_ask.lua - asking language models for ideas, in rounds: one call each in the first,
-- twice as many in each further one.  The calls of a round are made at the same time; those
-- of the next are shown what came before.  What is missing, unreadable or a near-duplicate
-- is asked for again, in at most two further rounds; what then is missing has its reason.

local core = require("erlua.core.study")
local fs = require("erlua.core.fs")
local patch = require("erlua.core.patch")
local ideas = require("erlua.ideas")
local models = require("erlua.study_models")
local noise = require("erlua.study_noise")
local parse = require("erlua.ideas_parse")
local prompt = require("erlua.prompt")
local tasks = require("erlua.tasks")
local text = require("erlua.text")
local view = require("erlua.ideas_view")

local M = {}

local AGAIN = 2                -- further rounds
local IN_VAIN = 3              -- rounds without one new idea, after which a request gives up
local EARLIER = 60             -- ideas of earlier epochs that a first prompt may name
local PER_CALL = 10

-- ---- what is asked ----------------------------------------------------------------

-- What the program as it is scores.
local function baseline_of(study)
  study:baseline()
  return noise.mean(study)
end

local function exploring(study, a, values)
  values.baseline = text.number(baseline_of(study), 6)
  values.tried = a.view:tried()
end

local function exploiting(study, a, values)
  values.baseline = text.number(baseline_of(study), 6)
  values.parents = a.view:parents()
  values.best = a.view:best(study.prompts)
end

local SHOWN = { explore = exploring, exploit = exploiting }

-- The task's own part of a prompt; its common part goes before it.
local function question(study, a, call)
  local t = study.prompts
  local values = { n = call.n, again = "", side = "" }
  if SHOWN[a.prompt] then SHOWN[a.prompt](study, a, values) end
  values.avoid = view.avoid(t, a.told, a.prompt == "first" and a.earlier or {})
  if call.parts > 1 then values.side = prompt.fill(t.side, { part = call.part, parts = call.parts }) end
  if a.why then values.again = prompt.fill(t.again, { why = a.why }) end
  local builds_on = a.prompt == "exploit" and t.builds_on:match("^%s*(.-)%s*$") or ""
  values.answer = prompt.fill(t.answer, { n = call.n, builds_on = builds_on })
  return prompt.fill(t[a.prompt], values)
end

-- ---- one call ----------------------------------------------------------------------

local function ask_model(study, call)
  local content = { { text = study.common, cache = true }, { text = call.question } }
  local request = models.request(study, { messages = { { role = "user", content = content } }, purpose = "ideate" })
  local reply, message, code = call.model:chat(request)
  if not reply then return { code = code or "error", message = message or "no reply", model = call.model.spec } end
  return { model = reply.model or call.model.spec, found = parse.ideas(fs.clean(reply.text or "")) }
end

local function compute(study, call)
  local a = call.asked
  local found = ideas.computed(study, call.model, call.n, a.prompt, a.parents, call.first)
  return { computed = true, found = found, model = call.model.spec }
end

local function run(study, call)
  if call.model.propose then return compute(study, call) end
  return ask_model(study, call)
end

-- ---- what came ---------------------------------------------------------------------

-- A change that the ideator wrote itself is used if it applies.
local function own_change(study, body)
  if not (body:find("<<<<<<<", 1, true) or body:find("\n@@", 1, true) or body:find("\n*** Begin Patch", 1, true)) then
    return ""
  end
  return patch.apply(study.env.patch_files, study.env.rules, body) and body or ""
end

local function parents_of(a, named)
  local out, seen = {}, {}
  for _, id in ipairs(named) do
    if a.view:knows(id) and not seen[id] then
      seen[id] = true
      out[#out + 1] = id
    end
  end
  return out
end

local function idea_of(study, a, result, found)
  if result.computed then return found end
  return { text = found.text, reply = own_change(study, found.body), prompt = a.prompt, model = result.model,
    parents = parents_of(a, found.parents) }
end

local function put_question(study, a, call, result, got, duplicates, epoch)
  local n = study.questions + 1
  study.questions = n
  core.put("questions", { id = n, epoch = epoch, prompt = a.prompt, model = result.model, wanted = call.n, got = got,
    duplicates = duplicates, code = result.code or "ok", message = text.cut(text.clean(result.message or ""), 300),
    tick = core.tick() })
end

-- What an answer lacked, for the next question.
local function shortfall(call, got, duplicates)
  if got == 0 and duplicates == 0 then return "no idea could be found in it" end
  local why = duplicates > 0 and text.count(duplicates, "idea") .. " had been proposed before" or nil
  local few = string.format("it held %d of %d ideas", got + duplicates, call.n)
  if not why then return few end
  return got + duplicates < call.n and few .. ", and " .. why or why
end

-- Takes the ideas of an answer that are new, as many as were asked for.
local function take(study, state, call, result)
  local a, got, duplicates = call.asked, 0, 0
  for _, found in ipairs(result.found or {}) do
    if got >= call.n then break end
    local twin, prepared = a.known:find(found.text)
    if twin and not result.computed then duplicates = duplicates + 1
    else
      local idea = idea_of(study, a, result, found)
      a.known:add(idea.text, true, prepared)
      a.got[#a.got + 1] = idea
      a.told[#a.told + 1] = idea.text
      got = got + 1
    end
  end
  put_question(study, a, call, result, got, duplicates, state.epoch)
  if result.code == "truncated" then a.per = math.max(call.n // 2, 1)
  elseif result.code then a.lost[#a.lost + 1] = { n = call.n, result = result }
  elseif got < call.n then a.why = shortfall(call, got, duplicates) end
  a.last = { code = result.code, message = result.message, model = result.model, why = a.why }
end

-- ---- rounds ------------------------------------------------------------------------------

-- A call that was refused or rejected is not repeated: its ideas are lost.
local function lost(a)
  local n = 0
  for _, l in ipairs(a.lost) do n = n + l.n end
  return n
end

-- The calls for what one request lacks, `width` at most.
local function calls_for(study, a, width, out)
  local missing = a.n - #a.got - lost(a)
  local count = math.min(width, math.ceil(missing / a.per))
  for part = 1, count do
    local n = math.min(a.per, missing)
    missing = missing - n
    out[#out + 1] = { asked = a, n = n, part = part, parts = count, model = a.ensemble:pick() }
  end
end

-- In how many rounds all would be there if each answer held what it should.
local function rounds_for(n, per)
  local rounds, width = 0, 1
  local calls = math.ceil(n / per)
  while calls > 0 do
    rounds, calls, width = rounds + 1, calls - width, 2 * width
  end
  return rounds
end

local function prepare(study, asked)
  local told = {}                                -- ideas of this epoch, of each model that is asked by name and of all others
  for _, a in ipairs(asked) do
    local key = a.model or ""
    told[key] = told[key] or {}
    a.told, a.known = told[key], models.known_ideas(study, a.model)
    a.got, a.lost, a.per = {}, {}, study.opt.ideas_per_call or PER_CALL
    a.view = view.new(study, a.parents)
    if #a.view.trials == 0 then a.prompt = "first" end           -- of the baseline alone there is nothing to tell
    a.ensemble = a.model and models.ensemble(study, a.model) or study.ideator
    a.earlier = a.prompt == "first" and a.n > 0 and view.earlier(study, EARLIER) or {}
    a.before, a.in_vain = 0, 0
    a.rounds = rounds_for(a.n, a.per) + AGAIN
  end
end

local function one_round(study, asked, state, round)
  local calls = {}
  for _, a in ipairs(asked) do
    a.in_vain = #a.got > a.before and 0 or a.in_vain + 1
    a.before = #a.got
    if round <= a.rounds and a.in_vain <= IN_VAIN then calls_for(study, a, 1 << (round - 1), calls) end
  end
  for _, call in ipairs(calls) do
    call.first = study.next_id + state.numbered
    state.numbered = state.numbered + call.n
    if not call.model.propose then call.question = question(study, call.asked, call) end
  end
  if #calls == 1 then return calls, { run(study, calls[1]) } end
  return calls, tasks.map(calls, function(call) return run(study, call) end)
end

-- Why an idea is missing, for its trial.
local function reason_of(r)
  if r.code then return r.code .. ": " .. text.cut(text.clean(r.message or ""), 300) end
  return "too few ideas after " .. AGAIN .. " further questions: " .. (r.why or "none was left")
end

local function missing_idea(a, model, reason)
  return { text = "no idea: " .. reason, reply = "", missing = reason, prompt = a.prompt, model = model, parents = {} }
end

local function fill_up(a, out)
  table.move(a.got, 1, #a.got, #out + 1, out)
  for _, l in ipairs(a.lost) do
    for _ = 1, l.n do out[#out + 1] = missing_idea(a, l.result.model, reason_of(l.result)) end
  end
  for _ = #a.got + lost(a) + 1, a.n do out[#out + 1] = missing_idea(a, a.last.model, reason_of(a.last)) end
end

---@param study erlua.study
---@param asked {n: integer, prompt: string, parents: erlua.selection?, model: string?}[]
---@param epoch integer
---@return table[] ideas
function M.rounds(study, asked, epoch)
  local state, round = { epoch = epoch, numbered = 0 }, 0
  prepare(study, asked)
  repeat
    round = round + 1
    local calls, results = one_round(study, asked, state, round)
    for i, result in ipairs(results) do take(study, state, calls[i], result) end
  until #calls == 0
  local out = {}
  for _, a in ipairs(asked) do fill_up(a, out) end
  return out
end

return M
