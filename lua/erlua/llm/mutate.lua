-- mutate.lua - builtin:mutate, an ideator without a model: genetic improvement on the text of the editable files.
-- First and exploring ideas change the pristine program in big steps; exploiting ones go on from a parent that did well:
-- with small steps, further in a direction that helped, or with changes of a second parent. It is a function of what it
-- is given and of the generator: it reads no file and no clock, and a proposal costs the same however many came before.

local config = require "erlua.llm.mutate_config"
local diff = require "erlua.llm.mutate_diff"
local drafts = require "erlua.llm.mutate_draft"
local ops = require "erlua.llm.mutate_ops"

local M = {}
local Mutator = {}
Mutator.__index = Mutator

local REDRAWS = 60               -- for one proposal, before it gives up
local CONFIG_SHARE = 0.5         -- of edits, when a file has a `config` table
local EDITS_FIRST = 3            -- the most edits in a first or exploring idea
local BIG_STEP = 1.4             -- of a number's logarithm, there
local SMALL_STEP = 1.2           -- the largest when exploiting; most are smaller
local CROSS_SHARE = 0.45         -- of exploiting ideas that take over changes of a second parent
local CROSS_ONLY_SHARE = 0.5     -- of those, the ones that change nothing else
local UNDO_SHARE = 0.05          -- of exploiting ideas that drop a change
local FURTHER_SHARE = 0.6        -- of edits that go on where the parent's went
local MORE_SHARE = 0.3           -- of exploiting ideas that go on after an edit with another
local CROWD = 4                  -- parents for each that a tournament draws

---@param opt table files = {path = bytes} (pristine), region, preset = string|nil, presets = names|nil, random = {int(n), unit(), normal()}
---@return table mutator
function M.new(opt)
  local program = drafts.program(opt.files, opt.region, opt.presets)
  local self = setmetatable({ program = program, preset = opt.preset, random = opt.random }, Mutator)
  for _, path in ipairs(program.paths) do
    if not self.config and #config.settings(program.pristine[path], opt.preset) > 0 then self.config = path end
  end
  return self
end

-- The best of a few; more are drawn where there are many, so that the good stay in the run.
local function draw_parent(parents, random)
  local best, reward
  for _ = 1, 1 + math.ceil(#parents / CROWD) do
    local parent = parents[random:int(#parents)]
    local its = parent.reward or -math.huge
    if not best or its > reward then
      best, reward = parent, its
    end
  end
  return best
end

local function some_of(list, random)
  local sure, some = random:int(#list), {}
  for i, item in ipairs(list) do
    if i == sure or random:unit() < 0.5 then some[#some + 1] = item end
  end
  return some
end

local function edit(self, draft, step, weights)
  if self.config and self.random:unit() < CONFIG_SHARE then
    return draft:change(self.config, config.edit(draft:view(self.config), self.random, step, self.preset))
  end
  local path = self.program:draw_path(self.random)
  return path ~= nil and draft:change(path, ops.draw(draft:view(path), self.random, step, weights))
end

-- Moves a number that the parent changed further the same way.
local function go_further(self, draft)
  local path = self.program.paths[self.random:int(#self.program.paths)]
  local view = draft:view(path)
  local pristine, hunks = self.program.pristine[path], self.program:hunks(view)
  return draft:change(path, ops.further(view, pristine, hunks, self.random))
end

-- Takes over some of what a second parent changed.
local function cross(self, draft, donor)
  local program, taken = self.program, 0
  for _, path in ipairs(program.paths) do
    local ours = program:hunks(draft:view(path))
    local fresh = diff.missing(ours, program:hunks(program:view(path, donor)))
    if #fresh > 0 then
      local some = some_of(fresh, self.random)
      taken = taken + #some
      draft:change(path, diff.apply(program.pristine[path].lines, diff.join(ours, some)),
        string.format("Take over %d of %d changes of trial %s to %s", #some, #fresh, donor.id, path))
    end
  end
  if taken > 0 then draft.parents[2] = donor.id end
  return taken > 0
end

-- Drops one of the parent's changes.
local function undo(self, draft)
  local path = self.program.paths[self.random:int(#self.program.paths)]
  local hunks = self.program:hunks(draft:view(path))
  if #hunks == 0 then return false end
  local kept = table.move(hunks, 1, #hunks, 1, {})
  local dropped = table.remove(kept, self.random:int(#kept))
  return draft:change(path, diff.apply(self.program.pristine[path].lines, kept),
    string.format("Undo the change at line %d of the original %s", dropped.from, path))
end

-- A child of one or two parents; nil when a draw came to nothing.
local function refine(self, parents)
  local random = self.random
  local parent = draw_parent(parents, random)
  local draft, kind = self.program:draft(parent), random:unit()
  if kind < UNDO_SHARE then return undo(self, draft) and draft or nil end
  if kind < UNDO_SHARE + CROSS_SHARE then
    local donor = draw_parent(parents, random)
    local crossed = donor.id ~= parent.id and cross(self, draft, donor)
    if crossed and random:unit() < CROSS_ONLY_SHARE then return draft end
  end
  repeat
    local moved = random:unit() < FURTHER_SHARE and go_further(self, draft)
    if not moved and not edit(self, draft, SMALL_STEP * random:unit(), ops.STEADY) then return nil end
  until random:unit() >= MORE_SHARE
  return draft
end

-- A change of the pristine program; nil when a draw came to nothing.
local function invent(self)
  local draft = self.program:draft(nil)
  for _ = 1, self.random:int(EDITS_FIRST) do
    if not edit(self, draft, BIG_STEP, ops.BOLD) then return nil end
  end
  return draft
end

---One idea with its change.
---@param request table prompt = "first"|"exploit"|"explore", parents = list of { id, files = {path = bytes}, reward }
---@return table|nil proposal { text, files = {path = bytes} (whole, those that changed), parents = ids }
---@return string|nil reason
function Mutator:propose(request)
  local parents = request.parents or {}
  local refines = request.prompt == "exploit" and #parents > 0
  for _ = 1, REDRAWS do
    local draft
    if refines then draft = refine(self, parents) else draft = invent(self) end
    local files = draft and draft:result()
    if files and not self.program:has(parents, files) then
      return { text = table.concat(draft.words, "; then ") .. ".", files = files, parents = draft.parents }
    end
  end
  return nil, "no edit of the editable files gave a new program in " .. REDRAWS .. " draws"
end

return M
