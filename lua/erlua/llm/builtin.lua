-- llm/builtin.lua - builtin:mutate as a model: parents in, ideas with real patches out.
-- Its patches go through the same applier as a language model's.

local patch = require("erlua.core.patch")
local lists = require("erlua.lists")
local mutate = require("erlua.llm.mutate")

local M = {}

local Builtin = {}
Builtin.__index = Builtin

local KEEP = 256               -- parents whose whole text is kept at hand

---@param options {env: erlua.env}
---@return table model  see llm/init.lua
function M.new(options)
  local env = options.env
  local mutator = mutate.new { files = env.pristine, region = env.region, preset = env.preset,
    presets = lists.keys(env.presets) }
  return setmetatable({ env = env, mutator = mutator, kept = {}, count = 0 }, Builtin)
end

-- The whole files that a trial's patch makes of the pristine ones.
function Builtin:parent(study, id, reward)
  local p = self.kept[id]
  if p then return p end
  local row = study.store:query("trial_patch", id)[1]
  local changes = row and row.diff and row.diff ~= "" and patch.apply(self.env.patch_files, self.env.rules, row.diff) or {}
  local files = {}
  for path, bytes in pairs(changes) do files[path] = bytes or nil end
  p = { id = id, files = files, reward = reward }
  if self.count >= KEEP then self.kept, self.count = {}, 0 end
  self.kept[id], self.count = p, self.count + 1
  return p
end

function Builtin:parents(study, selection)
  local out = {}
  if not selection then return out end
  for i, id in ipairs(selection.ids) do out[i] = self:parent(study, id, selection.rewards[i]) end
  return out
end

---@return erlua.idea[]  {text, reply, parents, prompt, model}
function Builtin:propose(study, n, prompt, selection, random)
  local parents = self:parents(study, selection)
  local out = {}
  self.mutator.random = random
  for i = 1, n do
    local idea, reason = self.mutator:propose { prompt = prompt, parents = parents }
    local reply = ""
    if idea then
      local before = {}
      for path in pairs(idea.files) do before[path] = self.env.pristine[path] end
      reply = patch.diff(before, idea.files)
    end
    out[i] = { text = idea and idea.text or "no idea: " .. tostring(reason), reply = reply, prompt = prompt,
      model = "builtin:mutate", parents = idea and idea.parents or {} }
  end
  return out
end

return M
