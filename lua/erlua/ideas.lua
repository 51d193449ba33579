-- ideas.lua - from a request to ideas.  builtin:mutate computes them and is recorded;
-- language models are asked in rounds, each call an effect of its own.

local core = require("erlua.core.study")
local task = require("erlua.core.task")
local json = require("erlua.json")
local rng = require("erlua.core.rng")

local M = {}

-- As a key an idea has an order: its number (even ones; trials have the odd).
local Idea = { __name = "erlua.idea", __id = function(idea) return 2 * idea.id end,
  __tostring = function(idea) return "idea " .. idea.id .. ": " .. idea.text end }

local PROMPTS = { first = true, explore = true, exploit = true }

local function check(request)
  local n, prompt = request.n, request.prompt or "first"
  if math.type(n) ~= "integer" or n < 0 then
    error("study:propose: n must be a whole number, got " .. tostring(n), 4)
  end
  if not PROMPTS[prompt] then
    error("study:propose: prompt must be first, explore or exploit, got " .. tostring(prompt), 4)
  end
  if request.parents and #request.parents == 0 then prompt = "first" end
  return n, request.parents and prompt or "first"
end

-- ---- models that compute ------------------------------------------------------------

---Asks a model that computes its ideas, such as builtin:mutate.
---@param study erlua.study
---@param model table  with :propose(study, n, prompt, parents, random)
---@param first integer  the number of the first idea: what the answer is drawn from
---@return erlua.idea[]
function M.computed(study, model, n, prompt, parents, first)
  local ids = parents and parents.ids or {}
  local call = json.encode(json.object { n = n, prompt = prompt, model = model.spec or study.opt.model, parents = ids,
    first = first })
  local ideas = task.record("propose", call, function()
    return model:propose(study, n, prompt, parents, rng.new(study.opt.seed, "propose " .. first))
  end)
  for _, idea in ipairs(ideas) do
    if idea.reply == "" then idea.missing = idea.text end
  end
  return ideas
end

-- ---- a request ---------------------------------------------------------------------------

---@param study erlua.study
---@param requests {n: integer, prompt: string?, parents: erlua.selection?, model: string?}[]
---@param epoch integer
---@return erlua.idea[] ideas  of each request its n, in order
function M.propose(study, requests, epoch)
  local asked = {}
  for i, request in ipairs(requests) do
    local n, prompt = check(request)
    asked[i] = { n = n, prompt = prompt, parents = prompt ~= "first" and request.parents or nil, model = request.model }
  end
  local out, alone = {}, study.ideator:single()
  for _, a in ipairs(asked) do alone = not a.model and alone or nil end
  if alone and alone.propose then
    for _, a in ipairs(asked) do
      local ideas = a.n > 0 and M.computed(study, alone, a.n, a.prompt, a.parents, study.next_id + #out) or {}
      table.move(ideas, 1, #ideas, #out + 1, out)
    end
  else
    out = require("erlua.ideas_ask").rounds(study, asked, epoch)
  end
  for _, idea in ipairs(out) do setmetatable(idea, Idea) end
  return out
end

local OWN = { text = "string", reply = "string", parents = "table", model = "string", prompt = "string", missing = "string" }

---An idea of the script's own, or the copy of another.
---@param fields table
---@return erlua.idea
function M.own(fields)
  if type(fields) ~= "table" or type(fields.text) ~= "string" then error("study:idea: { text = … } expected", 3) end
  for name, kind in pairs(OWN) do
    if fields[name] ~= nil and type(fields[name]) ~= kind then
      error("study:idea: " .. name .. " must be a " .. kind, 3)
    end
  end
  return setmetatable({ text = fields.text, reply = fields.reply or "", prompt = fields.prompt or "own",
    model = fields.model or "script",
    parents = fields.parents or {}, missing = fields.missing }, Idea)
end

---Writes the rows of an idea and of its trial, which it is one with.
---@param idea erlua.idea  with its number and epoch
function M.put(idea)
  local tick = core.tick()
  core.put("ideas", { id = idea.id, epoch = idea.epoch, prompt = idea.prompt, model = idea.model, text = idea.text,
    reply = idea.reply, tick = tick })
  core.put("trials", { id = idea.id, idea = idea.id, epoch = idea.epoch, parents = json.encode(idea.parents), tick = tick })
end

return M
