-- options_help.lua: the page that --help prints, for wide and for narrow terminals.

local text = require("erlua.text")

local M = {}

local META = { integer = "N", number = "X", string = "TEXT" }
local NARROW = 60                 -- below, the explanation stands under the option

local function left_side(o)
  local name = o.name:gsub("_", "-")
  if o.type == "boolean" then return o.default and "--no-" .. name or "--" .. name end
  local meta = o.meta
  if o.choices then
    local words = {}
    for i, c in ipairs(o.choices) do words[i] = tostring(c) end
    meta = meta or table.concat(words, "|")
    if #meta > 24 then meta = META[o.type] end
  end
  return "--" .. name .. " " .. (meta or META[o.type])
end

local function right_side(o)
  local out = o.help or ""
  if o.type == "boolean" then
    return o.default and "do not " .. (o.help or o.name:gsub("_", " ")) or out
  end
  if o.choices and #left_side(o) < 24 and not left_side(o):find("|", 1, true) then
    local words = {}
    for i, c in ipairs(o.choices) do words[i] = tostring(c) end
    out = out .. (out == "" and "" or "; ") .. "one of " .. table.concat(words, ", ")
  end
  if o.default ~= nil and o.default ~= "" then
    out = out .. (out == "" and "" or " ") .. "(default " .. tostring(o.default) .. ")"
  end
  return out
end

local function add_option(lines, o, column, width)
  local left, right = left_side(o), right_side(o)
  if width < NARROW or text.width(left) > column - 4 then
    lines[#lines + 1] = "  " .. left
    if right == "" then return end
    local indent = width < NARROW and 6 or column
    for _, l in ipairs(text.wrap(right, width - indent)) do lines[#lines + 1] = (" "):rep(indent) .. l end
    return
  end
  for i, l in ipairs(text.wrap(right, width - column)) do
    local start = i == 1 and "  " .. left or ""
    lines[#lines + 1] = (text.pad(start, column) .. l):gsub("%s+$", "")
  end
end

local function add_group(lines, title, options, column, width)
  if #options == 0 then return end
  lines[#lines + 1] = ""
  lines[#lines + 1] = title
  for _, o in ipairs(options) do add_option(lines, o, column, width) end
end

---The page of --help.
---@param list table[]  options as options.lua describes them
---@param info {script: string?, script_comment: string?, width: integer?}
---@return string
function M.page(list, info)
  local width = math.max(math.min(info.width or 80, 100), 40)
  local own, common, models, column = {}, {}, {}, 0
  for _, o in ipairs(list) do
    local group = not o.common and own or o.models and models or common
    group[#group + 1] = o
    column = math.max(column, math.min(text.width(left_side(o)), 24) + 4)
  end
  common[#common + 1] = { name = "help", type = "boolean", default = false, help = "print this and end" }
  local lines = { "usage: erlua " .. (info.script or "SCRIPT") .. " [OPTIONS]" }
  for paragraph in ((info.script_comment or "") .. "\n\n"):gmatch("(.-)\n%s*\n") do
    if paragraph:find("%S") then
      lines[#lines + 1] = ""
      for _, l in ipairs(text.wrap(paragraph, width)) do lines[#lines + 1] = l end
    end
  end
  add_group(lines, "Options of this script:", own, column, width)
  add_group(lines, "Options of every strategy:", common, column, width)
  add_group(lines, "Models:", models, column, width)
  return table.concat(lines, "\n") .. "\n"
end

---The comment that a script opens with, without its dashes.
---@param source string
---@return string
function M.leading_comment(source)
  local lines = {}
  source = source:gsub("^#[^\n]*\n", "")
  local block = source:match("^%s*%-%-%[%[(.-)%]%]")
  if block then return (block:gsub("^%s+", ""):gsub("%s+$", "")) end
  for line in (source .. "\n"):gmatch("(.-)\n") do
    local words = line:match("^%-%-+%s?(.*)$")
    if words then lines[#lines + 1] = words
    elseif #lines > 0 or line:find("%S") then break end
  end
  return table.concat(lines, "\n")
end

return M
