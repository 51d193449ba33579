-- ideas.lua - from a request to ideas: the model is asked once, the answer is journaled.

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
  if math.type(n) ~= "integer" or n < 0 then error("study:propose: n must be a whole number, got " .. tostring(n), 4) end
  if not PROMPTS[prompt] then error("study:propose: prompt must be first, explore or exploit, got " .. tostring(prompt), 4) end
  if request.parents and #request.parents == 0 then prompt = "first" end
  return n, request.parents and prompt or "first"
end

---@param study erlua.study
---@param request {n: integer, prompt: string?, parents: erlua.selection?}
---@return erlua.idea[]
function M.propose(study, request)
  local n, prompt = check(request)
  if n == 0 then return {} end
  local parents = prompt ~= "first" and request.parents or nil
  local ids = parents and parents.ids or {}
  local call = json.encode(json.object { n = n, prompt = prompt, model = study.opt.model, parents = ids, first = study.next_id })
  local ideas = task.record("propose", call, function()
    local random = rng.new(study.opt.seed, "propose " .. study.next_id)
    return study.model:propose(study, n, prompt, parents, random)
  end)
  for _, idea in ipairs(ideas) do setmetatable(idea, Idea) end
  return ideas
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
