-- mutate_draft.lua - a program under edit: its files as views, and a draft that changes some of them.
-- A program remembers what it has read of parents' files, within bounds; a draft is made for one proposal.

local diff = require "erlua.llm.mutate_diff"
local views = require "erlua.llm.mutate_lines"

local M = {}
local Program, Draft = {}, {}
Program.__index, Draft.__index = Program, Draft

local TEXTS_KEPT = 128           -- versions of files remembered, at most twice as many

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- How much there is to edit in a file: its statements and numbers.
local function size_of(view)
  local size = views.count(view, "numbers")
  for i = 1, #view.lines do
    if views.statement(view, i) then size = size + 1 end
  end
  return size
end

---@param files table<string, string> the pristine editable files
---@param region string|nil the marker of the lines that may be edited
---@param presets string[]|nil names of tables of settings
function M.program(files, region, presets)
  local self = setmetatable({ paths = sorted_keys(files), texts = {}, pristine = {}, sizes = {}, total = 0,
    read = views.reader(region, presets), known = views.memory(TEXTS_KEPT) }, Program)
  for i, path in ipairs(self.paths) do
    self.texts[path] = files[path]
    self.pristine[path] = self.read(path, views.split(files[path]))
    self.sizes[i] = size_of(self.pristine[path])
    self.total = self.total + self.sizes[i]
  end
  return self
end

-- What a parent has at `path`; a trial without changes (the baseline) has no files.
local function text_of(program, parent, path)
  return parent and parent.files and parent.files[path] or program.texts[path]
end

---The view of a file as a parent left it, or pristine.
function Program:view(path, parent)
  local text = text_of(self, parent, path)
  if text == self.texts[path] then return self.pristine[path] end
  local key = path .. "\n" .. text
  local view = self.known.get(key)
  if not view then
    view = self.read(path, views.split(text))
    self.known.put(key, view)
  end
  return view
end

---How a version of a file differs from the pristine one; kept with its view.
function Program:hunks(view)
  view.hunks = view.hunks or diff.diff(self.pristine[view.path].lines, view.lines)
  return view.hunks
end

---A path, drawn by how much there is to edit; nil when there is nothing.
function Program:draw_path(random)
  if self.total == 0 then return nil end
  local at = random:int(self.total)
  for i, path in ipairs(self.paths) do
    at = at - self.sizes[i]
    if at <= 0 then return path end
  end
end

---Whether one of the parents has these files already.
function Program:has(parents, files)
  for _, parent in ipairs(parents) do
    local same = true
    for _, path in ipairs(self.paths) do
      same = same and (files[path] or self.texts[path]) == text_of(self, parent, path)
    end
    if same then return true end
  end
  return false
end

---A draft of a child of `parent`, or of the pristine program.
function Program:draft(parent)
  local draft = setmetatable({ program = self, base = parent, views = {}, lines = {}, risky = {}, words = {},
    parents = {} }, Draft)
  for _, path in ipairs(self.paths) do draft.views[path] = self:view(path, parent) end
  if parent then draft.parents[1] = parent.id end
  return draft
end

---A draft's file as it stands; after an edit it is read when it is asked for.
function Draft:view(path)
  local view = self.views[path] or self.program.read(path, self.lines[path])
  self.views[path] = view
  return view
end

-- Whether a view's text is a program, as far as can be told here: Lua is compiled, and never run.
local function compiles(view)
  if view.family.name ~= "lua" then return true end
  if view.compiles == nil then
    view.compiles = load(table.concat(view.lines, "\n"), "=" .. view.path, "t", {}) ~= nil
  end
  return view.compiles
end

---Takes an edit in: new lines and the edit in words, both nil for one that came to nothing. A `safe` edit, a number in
---the place of a number, leaves a program a program.
---@return boolean changed
function Draft:change(path, lines, words, safe)
  if not lines then return false end
  if not (safe and self.views[path] and compiles(self.views[path])) then self.risky[path] = true end
  self.lines[path], self.views[path] = lines, nil
  self.words[#self.words + 1] = words
  return true
end

-- The lines that may not be edited, to be compared.
local function closed_lines(view)
  local closed = {}
  for i, line in ipairs(view.lines) do
    if not view.open[i] then closed[#closed + 1] = line end
  end
  return table.concat(closed, "\n")
end

local function sound(draft, path)
  local pristine = draft.program.pristine[path]
  local first = draft.lines[path][1]
  if not first or first == "" and #draft.lines[path] == 1 then return false end      -- an empty file is no edit
  if draft.risky[path] and not compiles(draft:view(path)) then return false end
  return not pristine.open or closed_lines(draft:view(path)) == closed_lines(pristine)
end

---The files that differ from the pristine ones, whole, those that only the parent has among them; nil when nothing
---differs, a file is no program or its closed lines changed.
function Draft:result()
  local files, program = {}, self.program
  for _, path in ipairs(program.paths) do
    local lines = self.lines[path]
    if lines and not sound(self, path) then return nil end
    local text = lines and table.concat(lines, "\n") or text_of(program, self.base, path)
    if text ~= program.texts[path] then files[path] = text end
  end
  if not next(files) then return nil end
  for _, path in ipairs(sorted_keys(self.base and self.base.files or {})) do
    if not program.texts[path] then files[path] = self.base.files[path] end
  end
  return files
end

return M
