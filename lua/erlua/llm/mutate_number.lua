-- mutate_number.lua - numbers near a number, as texts: whole numbers stay whole, and a setting stays one.

local M = {}

local DIGITS = "%.5g"
local LARGEST = 1e15             -- a number beyond this is no useful edit

---How a number is written; nil for one that is too large.
---@param value number
---@param kind "integer"|"float"
---@return string|nil
function M.text(value, kind)
  if not (math.abs(value) < LARGEST) then return nil end
  if kind == "integer" then return string.format("%d", math.floor(value + 0.5)) end
  local digits = string.format(DIGITS, value)
  return digits:find("[%.e]") and digits or digits .. ".0"
end

local function value_of(text)
  return math.tointeger(text:find("^%d+$") and tonumber(text)) or tonumber(text)
end

-- A whole number stays one: a factor, or one up or down where the factor changes nothing.
local function near_integer(value, random, step)
  if value == 0 then return random:int(2) end
  local new = math.floor(value * math.exp(step * random:normal()) + 0.5)
  if new == value then new = value + (random:unit() < 0.5 and -1 or 1) end
  return new
end

local function near_float(value, random, step)
  if value == 0 then return 0.1 * step * random:normal() end
  return value * math.exp(step * random:normal())
end

---The text of a number near `text`, or nil when it would be too large.
---@param text string
---@param random table
---@param step number of its logarithm
---@return string|nil
function M.near(text, random, step)
  local value = value_of(text)
  if math.abs(value) > LARGEST then return nil end
  if math.type(value) == "integer" then return M.text(near_integer(value, random, step), "integer") end
  return M.text(near_float(value, random, step), "float")
end

-- Sizes come in multiples: 64 moves by 16, 96 by 16, 768 by 128.  1 for a number that is just a count.
local function grain(value)
  if value < 16 or value % 8 ~= 0 then return 1 end
  local g = 8
  while value % (2 * g) == 0 and 8 * g <= value do g = 2 * g end
  return g
end

-- A factor for a setting: a share between 0 and 1 moves by its odds, so that it stays one.
local function scaled(value, factor)
  if value <= 0 or value >= 1 then return value * factor end
  local odds = value / (1 - value) * factor
  return odds / (1 + odds)
end

---The text of a value near that of a setting.  Unlike near, a share stays below 1, a size keeps its grain, a count stays above 0.
---@param text string
---@param random table
---@param step number
---@return string|nil
function M.setting(text, random, step)
  local value = value_of(text)
  if value == 0 or math.abs(value) > LARGEST then return M.near(text, random, step) end
  local factor = math.exp(step * random:normal())
  if math.type(value) == "float" then return M.text(scaled(value, factor), "float") end
  local g = grain(value)
  local new = math.floor(value * factor / g + 0.5) * g
  if new == value then new = value + (random:unit() < 0.5 and -g or g) end
  return M.text(math.max(new, g), "integer")
end

---The text of a number that moved from `old` to `new`, moved further the same way; nil where there is none.
---@param old string
---@param new string
---@param random table
---@return string|nil
function M.further(old, new, random)
  local from, to = tonumber(old), tonumber(new)
  local ratio, share = to / from, math.type(to) == "float" and from > 0 and from < 1 and to > 0 and to < 1
  if share then ratio = ratio * (1 - from) / (1 - to) end
  if not (ratio > 0 and ratio < math.huge) then return nil end
  local factor, kind = ratio ^ math.abs(random:normal()), math.type(to)
  if kind == "float" then return M.text(share and scaled(to, factor) or to * factor, "float") end
  local g = math.min(grain(math.tointeger(from) or 1), grain(to))
  return M.text(math.floor(to * factor / g + 0.5) * g, "integer")
end

return M
