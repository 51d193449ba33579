-- mutate_config.lua - edits of a program's `config` table: another number, another of the choices that a comment names.
--
-- A setting is a number, a boolean, or a text whose line lists the choices, `"gelu",   -- relu | gelu | silu`.  One whose
-- comment begins with "fixed" is left alone.  With a preset, what the table of that name has is edited there.

local number = require "erlua.llm.mutate_number"

local M = {}

local LINE_MOST = 500            -- bytes of a line that is looked through for settings
local BOOLEANS = { ["true"] = "false", ["false"] = "true", True = "False", False = "True" }

-- The name in front of a value at `at`: `lr = `, `["lr"] = `, `"lr": `.
local function name_before(line, at) return line:sub(1, at - 1):match("([%a_][%w_]*)[\"'%]]*%s*[=:]%s*$") end

-- A text with the choices that its line lists: { from, to, choices }.
local function choice(line)
  local from, quote, value, after = line:match("[=:]%s*()([\"'])([%w_.-]+)%2()")
  local listed = from and line:sub(after):match("([%w_.-]+%s*|[%w_.|%s-]*)")
  if not listed then return nil end
  local others, known = {}, false
  for word in listed:gmatch("[%w_.-]+") do
    if word == value then known = true else others[#others + 1] = quote .. word .. quote end
  end
  if known and #others > 0 then return from, after - 1, others end
end

local function add(items, i, from, to, line, others)
  items[#items + 1] = { line = i, from = from, to = to, name = name_before(line, from), others = others }
end

local function add_line(items, view, i)
  local line = view.lines[i]
  if #line > LINE_MOST or view.open and not view.open[i] then return end
  for _, token in ipairs(view.info[i].numbers) do add(items, i, token[1], token[2], line) end
  local from, to, others = choice(line)
  if from then add(items, i, from, to, line, others) end
  local at, word, after = line:match("[=:]%s*()(%a+)()")
  if word and BOOLEANS[word] then add(items, i, at, after - 1, line, { BOOLEANS[word] }) end
end

local function items_of(view, range)
  local items = {}
  for i = range and range[1] or 1, range and range[2] or 0 do add_line(items, view, i) end
  return items
end

-- Adds the items whose names are not taken to `list`.
local function add_free(list, items, taken)
  for _, item in ipairs(items) do
    if not taken[item.name or ""] then list[#list + 1] = item end
  end
end

---The settings of a view, kept with it: a list of { line, from, to, name, others = the other choices, nil for a number }.
---@param view table
---@param preset string|nil
function M.settings(view, preset)
  if view.settings then return view.settings end
  local of_config, of_preset = items_of(view, view.config), items_of(view, view.presets[preset or ""])
  local list, fixed, there = {}, {}, {}
  for _, item in ipairs(of_config) do
    if item.name and view.lines[item.line]:find("[-#/]%s*fixed") then
      fixed[item.name], there[item.name] = true, true
    end
  end
  for _, item in ipairs(of_preset) do
    if item.name then there[item.name] = true end
  end
  add_free(list, of_config, there)
  add_free(list, of_preset, fixed)
  view.settings = list
  return list
end

local function another(view, item, random, step)
  if item.others then return item.others[random:int(#item.others)] end
  return number.setting(view.lines[item.line]:sub(item.from, item.to), random, step)
end

---Another value of one of the settings.
---@return string[]|nil lines
---@return string|nil words
---@return boolean|nil safe
function M.edit(view, random, step, preset)
  local settings = M.settings(view, preset)
  if #settings == 0 then return nil end
  local item = settings[random:int(#settings)]
  local line = view.lines[item.line]
  local old, new = line:sub(item.from, item.to), another(view, item, random, step)
  if not new or new == old then return nil end
  local lines = table.move(view.lines, 1, #view.lines, 1, {})
  lines[item.line] = line:sub(1, item.from - 1) .. new .. line:sub(item.to + 1)
  return lines, string.format("Change %s from %s to %s in %s line %d", item.name and "`" .. item.name .. "`" or "a setting",
    old, new, view.path, item.line), true
end

return M
