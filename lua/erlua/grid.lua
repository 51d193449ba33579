-- grid.lua - rows of text as columns that fit a terminal.

local text = require("erlua.text")

local M = {}

local GAP = 2
local LEAST = 12               -- columns that a stretching column keeps before others go

local function cell_widths(columns, rows)
  local out = {}
  for i, c in ipairs(columns) do
    out[i] = text.width(c.title)
    for _, row in ipairs(rows) do out[i] = math.max(out[i], text.width(row[i])) end
  end
  return out
end

local function least_of(column, width) return column.flex and math.min(width, column.least or LEAST) or width end

-- The columns that stretch give way, the widest first, until all fit.
local function shrink(columns, shown, widths, too_much)
  while too_much > 0 do
    local widest
    for i, c in ipairs(columns) do
      if shown[i] and c.flex and (not widest or widths[i] > widths[widest]) then widest = i end
    end
    if not widest or widths[widest] <= 4 then return end
    widths[widest] = widths[widest] - 1
    too_much = too_much - 1
  end
end

-- Which columns are shown, and how wide each is.
local function layout(columns, rows, width)
  local widths, shown, total, least = cell_widths(columns, rows), {}, -GAP, -GAP
  for i, c in ipairs(columns) do
    shown[i] = true
    total, least = total + widths[i] + GAP, least + least_of(c, widths[i]) + GAP
  end
  for rank = 1, #columns do
    for i, c in ipairs(columns) do
      if c.drop == rank and width and least > width then
        shown[i] = false
        total, least = total - widths[i] - GAP, least - least_of(c, widths[i]) - GAP
      end
    end
  end
  if width then shrink(columns, shown, widths, total - width) end
  return shown, widths
end

local function line_of(columns, cells, shown, widths)
  local out = {}
  for i, c in ipairs(columns) do
    if shown[i] then out[#out + 1] = text.pad(text.cut(text.clean(cells[i]), widths[i]), widths[i], c.side) end
  end
  return (table.concat(out, (" "):rep(GAP)):gsub(" +$", ""))
end

---@param columns {title: string, side: "left"?, flex: boolean?, least: integer?, drop: integer?}[]  side = "left" fills up
---  on the left; flex shrinks, to `least` (12) before others go; those with drop are left out where there is no room, 1 first
---@param rows string[][]
---@param width? integer  of the terminal; nil: as wide as it needs
---@return string[] lines  the titles first
function M.lines(columns, rows, width)
  local shown, widths = layout(columns, rows, width)
  local titles, out = {}, {}
  for i, c in ipairs(columns) do titles[i] = c.title end
  out[1] = line_of(columns, titles, shown, widths)
  for _, row in ipairs(rows) do out[#out + 1] = line_of(columns, row, shown, widths) end
  return out
end

return M
