-- mutate.lua - builtin:mutate, an ideator without a model: genetic improvement on the text of the editable files.
-- It edits numbers, operators and statements, joins the changes of two parents and undoes one. A function of what it
-- is given and of the generator: it reads no file and no clock, and a proposal costs the same however many came before.

local diff = require "erlua.llm.mutate_diff"
local ops = require "erlua.llm.mutate_ops"
local views = require "erlua.llm.mutate_lines"

local M = {}
local Mutator = {}
Mutator.__index = Mutator

local function E(n,d) return tonumber(os.getenv(n)) or d end
local FURTHER_SHARE=E("FURTHER",.6)
local REDRAWS = 60               -- draws for one proposal before it gives up
local TEXTS_KEPT = 128           -- parents' files remembered, at most twice as many
local BIG_STEP = E('BIG',1.0)             -- of a number's logarithm, for a first idea
local SMALL_STEP = E('SMALL',1.5)           -- the largest for a refinement
local CROSS_SHARE = E('CROSS',0.4)          -- of refinements that take over changes of a second parent
local UNDO_SHARE = 0.05          -- of refinements that drop a change
local MORE_SHARE = E('MORE',0.3)           -- of refinements that go on after an edit with another

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- How much there is to edit in a file: its statements and numbers.
local function size_of(view)
  local size = views.count(view, "numbers", 1, #view.info)
  for i = 1, #view.lines do
    if views.statement(view, i) then size = size + 1 end
  end
  return size
end

---@param opt table files = {path = bytes} (pristine), region = string|nil, random = {int(n), unit(), normal()}
---@return table mutator
function M.new(opt)
  local self = setmetatable({ random = opt.random, read = views.reader(opt.region), paths = sorted_keys(opt.files),
    texts = {}, pristine = {}, known = views.memory(TEXTS_KEPT), sizes = {}, total = 0 }, Mutator)
  for _, path in ipairs(self.paths) do
    self.texts[path] = opt.files[path]
    self.pristine[path] = self.read(path, views.split(opt.files[path]))
    self.sizes[#self.sizes + 1] = size_of(self.pristine[path])
    self.total = self.total + self.sizes[#self.sizes]
  end
  return self
end

-- Whether a view's text is a program, as far as can be told here.
local function compiles(view)
  if view.family.name ~= "lua" then return true end
  if view.compiles == nil then
    view.compiles = load(table.concat(view.lines, "\n"), "=" .. view.path, "t", {}) ~= nil
  end
  return view.compiles
end

-- The view of one version of a file.
function Mutator:view(path, text)
  if text == nil or text == self.texts[path] then return self.pristine[path] end
  local key = path .. "\n" .. text
  local view = self.known.get(key)
  if not view then
    view = self.read(path, views.split(text))
    self.known.put(key, view)
  end
  return view
end

-- How a version of a file differs from the pristine one, kept with its view.
function Mutator:hunks(view)
  view.hunks = view.hunks or diff.diff(self.pristine[view.path].lines, view.lines)
  return view.hunks
end

-- A draft: its files as lines, the words of its edits, the parents it came of. `risky` files had an edit that may break
-- their syntax, as a number in the place of a number cannot.
function Mutator:start(parent)
  local draft = { lines = {}, views = {}, words = {}, parents = {}, risky = {}, base = parent }
  for _, path in ipairs(self.paths) do
    draft.views[path] = self:view(path, parent and parent.files and parent.files[path])
  end
  if parent then draft.parents[1] = parent.id end
  return draft
end

-- The view of a draft's file as it stands; after an edit it is read when asked for.
function Mutator:look(draft, path)
  draft.views[path] = draft.views[path] or self.read(path, draft.lines[path])
  return draft.views[path]
end

local function change(draft, path, lines, words, safe)
  if not safe or draft.views[path] and not compiles(draft.views[path]) then draft.risky[path] = true end
  draft.lines[path], draft.views[path] = lines, nil
  draft.words[#draft.words + 1] = words
end

-- One edit in a file, drawn by how much there was to edit in it.
function Mutator:edit(draft, step)
  if self.total == 0 then return false end
  local at = self.random:int(self.total)
  for i, path in ipairs(self.paths) do
    at = at - self.sizes[i]
    if at <= 0 then
      local lines, words, safe = ops.draw(self:look(draft, path), self.random, step)
      if lines then change(draft, path, lines, words, safe) end
      return lines ~= nil
    end
  end
end

-- The best of a few drawn parents; more are drawn where there are many, so that few stay in the run.
local function draw_parent(parents, random)
  local best, reward
  for _ = 1, 1 + math.ceil(#parents / E('TOUR',6)) do
    local parent = parents[random:int(#parents)]
    local its = parent.reward or -math.huge
    if not best or its > reward then
      best, reward = parent, its
    end
  end
  return best
end

local function same_hunk(h, g)
  if h.from ~= g.from or h.to ~= g.to or #h.lines ~= #g.lines then return false end
  for i, line in ipairs(h.lines) do
    if line ~= g.lines[i] then return false end
  end
  return true
end

-- The hunks of `theirs` that `ours` lacks.
local function new_hunks(ours, theirs)
  local fresh = {}
  for _, g in ipairs(theirs) do
    local known = false
    for _, h in ipairs(ours) do known = known or same_hunk(h, g) end
    if not known then fresh[#fresh + 1] = g end
  end
  return fresh
end

-- `ours` and some of `theirs`, which win where both want one place.
local function join(ours, theirs)
  local joined = table.move(theirs, 1, #theirs, 1, {})
  for _, h in ipairs(ours) do
    local free = true
    for _, g in ipairs(theirs) do free = free and not diff.clash(h, g) end
    if free then joined[#joined + 1] = h end
  end
  return joined
end

local function some_of(list, random)
  local sure, some = random:int(#list), {}
  for i, item in ipairs(list) do
    if i == sure or random:unit() < 0.5 then some[#some + 1] = item end
  end
  return some
end

-- Takes over some of what a second parent changed.
function Mutator:cross(draft, donor)
  local taken = 0
  for _, path in ipairs(self.paths) do
    local ours = self:hunks(self:look(draft, path))
    local fresh = new_hunks(ours, self:hunks(self:view(path, donor.files and donor.files[path])))
    if #fresh > 0 then
      local some = some_of(fresh, self.random)
      taken = taken + #some
      change(draft, path, diff.apply(self.pristine[path].lines, join(ours, some)),
        string.format("Take over %d of %d changes of trial %s in %s", #some, #fresh, tostring(donor.id), path))
    end
  end
  if taken > 0 then draft.parents[2] = donor.id end
  return taken > 0
end

-- Drops one of the parent's changes.
function Mutator:undo(draft)
  local path = self.paths[self.random:int(#self.paths)]
  local hunks = self:hunks(self:look(draft, path))
  if #hunks < 2 then return false end
  local kept = table.move(hunks, 1, #hunks, 1, {})
  local dropped = table.remove(kept, self.random:int(#kept))
  change(draft, path, diff.apply(self.pristine[path].lines, kept),
    string.format("Undo the change at line %d of the original %s", dropped.from, path))
  return true
end

-- Moves a number that the parent changed further the same way.
function Mutator:go_further(draft)
  local path = self.paths[self.random:int(#self.paths)]
  local view = self:look(draft, path)
  local lines, words = ops.further(view, self.pristine[path], self:hunks(view), self.random)
  if lines then change(draft, path, lines, words, true) end
  return lines ~= nil
end

function Mutator:refine(parents)
  local random = self.random
  local parent = draw_parent(parents, random)
  local draft = self:start(parent)
  local kind = random:unit()
  if kind < CROSS_SHARE then
    local donor = draw_parent(parents, random)
    local crossed = donor.id ~= parent.id and self:cross(draft, donor)
    if crossed and random:unit() < 0.5 then return draft end
  elseif kind < CROSS_SHARE + UNDO_SHARE then
    return self:undo(draft) and draft
  end
  repeat
    if random:unit() < FURTHER_SHARE then self:go_further(draft) end
    if #draft.words == 0 or random:unit() < 0.5 then if not self:edit(draft, SMALL_STEP * random:unit()) then return nil end end
  until random:unit() >= MORE_SHARE
  return draft
end

function Mutator:invent()
  local draft = self:start(nil)
  for _ = 1, self.random:int(3) do
    if not self:edit(draft, BIG_STEP) then return nil end
  end
  return draft
end

-- The lines that may not be edited, to be compared.
local function closed_lines(view)
  local closed = {}
  for i, line in ipairs(view.lines) do
    if not view.open[i] then closed[#closed + 1] = line end
  end
  return table.concat(closed, "\n")
end

-- The files of a draft that differ from the pristine ones, whole; nil when one is no program or breaks its region.
function Mutator:result(draft)
  local files = {}
  for _, path in ipairs(self.paths) do
    local pristine, lines = self.pristine[path], draft.lines[path]
    if lines then
      if draft.risky[path] and not compiles { path = path, lines = lines, family = pristine.family } then return nil end
      if pristine.open and closed_lines(self:look(draft, path)) ~= closed_lines(pristine) then return nil end
    end
    local text = lines and table.concat(lines, "\n") or table.concat(draft.views[path].lines, "\n")
    if text ~= self.texts[path] then files[path] = text end
  end
  return next(files) and files
end

-- Whether one of the parents has this very result already.
function Mutator:known_result(files, parents)
  for _, parent in ipairs(parents) do
    local same = true
    for _, path in ipairs(self.paths) do
      same = same and (files[path] or self.texts[path]) == (parent.files and parent.files[path] or self.texts[path])
    end
    if same then return true end
  end
  return false
end

-- Files that a parent has and the pristine environment has not go along with its child.
function Mutator:carry(files, parent)
  for _, path in ipairs(sorted_keys(parent and parent.files or {})) do
    if not self.texts[path] then files[path] = parent.files[path] end
  end
  return files
end

---One idea with its change.
---@param request table prompt = "first"|"exploit"|"explore", parents = list of { id, files = {path = bytes}, reward }
---@return table|nil proposal { text, files = {path = bytes} (whole, the changed ones), parents = ids }
---@return string|nil reason
function Mutator:propose(request)
  local parents = request.parents or {}
  local refines = request.prompt == "exploit" and #parents > 0
  for _ = 1, REDRAWS do
    local draft
    if refines then draft = self:refine(parents) else draft = self:invent() end
    local files = draft and self:result(draft)
    if files and not self:known_result(files, parents) then
      return { text = table.concat(draft.words, "; then ") .. ".", files = self:carry(files, draft.base),
        parents = draft.parents }
    end
  end
  return nil, "no edit of the editable files gave a new program in " .. REDRAWS .. " draws"
end

return M
