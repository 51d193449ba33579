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

-- Which columns are shown, and how wide each is.
local function layout(columns, rows, width)
  local widths, shown, total = cell_widths(columns, rows), {}, -GAP
  for i in ipairs(columns) do
    shown[i] = true
    total = total + widths[i] + GAP
  end
  local flex
  for i, c in ipairs(columns) do
    if c.flex then flex = i end
  end
  local function over() return width and total - (flex and math.max(widths[flex] - LEAST, 0) or 0) > width end
  for rank = 1, #columns do
    for i, c in ipairs(columns) do
      if c.drop == rank and over() then
        shown[i] = false
        total = total - widths[i] - GAP
      end
    end
  end
  if width and flex and total > width then widths[flex] = math.max(widths[flex] - (total - width), 4) end
  return shown, widths
end

local function line_of(columns, cells, shown, widths)
  local out = {}
  for i, c in ipairs(columns) do
    if shown[i] then out[#out + 1] = text.pad(text.cut(text.clean(cells[i]), widths[i]), widths[i], c.side) end
  end
  return (table.concat(out, (" "):rep(GAP)):gsub(" +$", ""))
end

---@param columns {title: string, side: "left"?, flex: boolean?, drop: integer?}[]  side = "left" fills up on the left;
---  flex stretches and shrinks; those with drop are left out where there is no room, 1 first
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
