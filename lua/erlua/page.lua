-- page.lua - a page of text for the terminal it is printed on: titles, labelled lines,
-- tables, diffs and logs, in its width and its colours, plain where there is none.

local host = require("erlua.core.host")
local fs = require("erlua.core.fs")
local text = require("erlua.text")
local grid = require("erlua.grid")
local diffs = require("erlua.diff_text")

local M = {}

local Page = {}
Page.__index = Page

local LABEL = 10               -- columns of a label
local NARROW = 60              -- below, a label stands above what it names

---A page for standard output.
---@return erlua.page
function M.new()
  local columns = host.terminal(1)
  return setmetatable({ width = columns or 80, cut = columns, colour = host.colour(1), lines = {} }, Page)
end

function Page:add(line) self.lines[#self.lines + 1] = line end

function Page:bold(s) return self.colour and "\27[1m" .. s .. "\27[0m" or s end

---A blank line and a title.
function Page:title(s)
  if #self.lines > 0 then self:add("") end
  self:add(self:bold(text.clean(s)))
end

-- The lines of a text, each wrapped.
local function wrapped(s, width)
  local out = {}
  for line in (s .. "\n"):gmatch("(.-)\n") do
    for _, part in ipairs(line:find("%S") and text.wrap(line, width) or {}) do out[#out + 1] = part end
  end
  return out
end

---Text in lines of the page's width, `most` of them at most.
function Page:paragraph(s, indent, most)
  local pad = (" "):rep(indent or 0)
  local lines = wrapped(s, self.width - #pad)
  for i, line in ipairs(lines) do
    if most and i == most and #lines > most then
      self:add(pad .. text.cut(line .. " ", self.width - #pad - 1):gsub("%s*$", "") .. "…")
      return
    end
    self:add(pad .. line)
  end
end

local function fits(values, width)
  for _, v in ipairs(values) do
    if text.width(v) > width then return false end
  end
  return true
end

---A label and what it names, one value or several; long ones go on below themselves.
---@param label string
---@param s string|string[]
---@param column? integer  where the values stand
function Page:pair(label, s, column)
  column = column or LABEL
  local values = {}
  for i, v in ipairs(type(s) == "table" and s or { s }) do values[i] = text.clean(v) end
  if self.width < NARROW and not fits(values, self.width - column) then
    self:add(label)
    for _, v in ipairs(values) do self:paragraph(v, 2) end
    return
  end
  for _, v in ipairs(values) do
    for _, line in ipairs(text.wrap(v, self.width - column)) do
      self:add(text.pad(label, column) .. line)
      label = ""
    end
  end
end

---A command to be copied: never broken, for the shell reads it as one line.
function Page:command(label, s)
  if self.width < NARROW then
    self:add(label)
    self:add("  " .. s)
  else
    self:add(text.pad(label, LABEL) .. s)
  end
end

---A table; see grid.lines.
function Page:grid(columns, rows, indent)
  local pad = (" "):rep(indent or 0)
  for i, line in ipairs(grid.lines(columns, rows, self.cut and self.cut - #pad)) do
    self:add(pad .. (i == 1 and self:bold(line) or line))
  end
end

---A diff; returns how many of its lines were left out.
function Page:diff(diff, most)
  local lines, left = diffs.show(diff, { width = self.cut, colour = self.colour, most = most })
  for _, line in ipairs(lines) do self:add(line) end
  return left
end

---The last lines of a log, all of it without `most`.
function Page:log(log, most)
  local lines = {}
  for line in (log:gsub("\r\n", "\n"):gsub("\n$", "") .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  local from = most and math.max(#lines - most + 1, 1) or 1
  if from > 1 then self:add("  … " .. text.count(from - 1, "line") .. " before") end
  for i = from, #lines do
    local s = text.clean((lines[i]:gsub("\t", "    ")))
    self:add("  " .. (most and self.cut and text.cut(s, self.cut - 2) or s))
  end
end

function Page:print()
  host.out(table.concat(self.lines, "\n") .. "\n")
end

---A duration; jobs are often shorter than a tenth of a second.
---@param s number
function M.seconds(s) return s < 1 and string.format("%.2fs", s) or text.duration(s) end

---A path as people type it: relative where it is below the working folder, quoted for the
---shell where it must be.
function M.path(path)
  local here = fs.cwd()
  if path:sub(1, #here + 1) == here .. "/" and #path > #here + 1 then path = path:sub(#here + 2) end
  if path:find("^[%w/._+=:@,-]+$") then return path end
  return "'" .. text.clean(path):gsub("'", "'\\''") .. "'"
end

return M
