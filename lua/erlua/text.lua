-- text.lua: words for durations and sizes, and text that fits a terminal's columns.
-- Widths are display columns, not bytes: accents take none, East Asian letters take two.

local M = {}

-- Ranges of characters that take no column or two; enough for names, reports and logs.
local ZERO = { { 0x0300, 0x036F }, { 0x0483, 0x0489 }, { 0x0591, 0x05BD }, { 0x200B, 0x200F }, { 0x20D0, 0x20FF },
  { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F }, { 0xFEFF, 0xFEFF } }
local WIDE = { { 0x1100, 0x115F }, { 0x2E80, 0x303E }, { 0x3041, 0xA4CF }, { 0xAC00, 0xD7A3 }, { 0xF900, 0xFAFF },
  { 0xFE30, 0xFE6F }, { 0xFF00, 0xFF60 }, { 0xFFE0, 0xFFE6 }, { 0x1F300, 0x1F64F }, { 0x1F900, 0x1F9FF },
    { 0x20000, 0x3FFFD } }

local function within(ranges, code)
  for _, r in ipairs(ranges) do
    if code >= r[1] and code <= r[2] then return true end
  end
  return false
end

local function code_width(code)
  if code < 0x300 then return code < 0x20 and 0 or 1 end
  return within(ZERO, code) and 0 or within(WIDE, code) and 2 or 1
end

---Makes bytes printable on one line: bad UTF-8 becomes U+FFFD, control characters a space.
---@param s string
---@return string
function M.clean(s)
  if not s:find("[^\x20-\x7e]") then return s end
  local out, i = {}, 1
  while i <= #s do
    local _, bad = utf8.len(s, i)
    out[#out + 1] = s:sub(i, bad and bad - 1 or #s)
    if not bad then break end
    out[#out + 1] = "\u{FFFD}"
    i = bad + 1
  end
  -- C1 controls (U+0080 to U+009F) move some terminals' cursors as ESC does.
  return (table.concat(out):gsub("%c", " "):gsub("\xc2[\x80-\x9f]", " "))
end

---Columns that a string takes in a terminal; bad bytes count one each.
---@param s string
---@return integer
function M.width(s)
  if not s:find("[^\x20-\x7e]") then return #s end
  local n = 0
  for _, code in utf8.codes(M.clean(s)) do n = n + code_width(code) end
  return n
end

-- As much of the start of clean text as fits into `width` columns.
local function head(s, width)
  local used = 0
  for i, code in utf8.codes(s) do
    used = used + code_width(code)
    if used > width then return s:sub(1, i - 1) end
  end
  return s
end

---Cuts a line to `width` columns; what was cut is shown by "…".
---@param s string
---@param width integer
---@return string
function M.cut(s, width)
  if M.width(s) <= width then return s end
  if width < 1 then return "" end
  return head(M.clean(s), width - 1) .. "…"
end

---Fills a string up with spaces, at its end, or at its start with side "left".
---@param s string
---@param width integer
---@param side? "right"|"left"
---@return string
function M.pad(s, width, side)
  local fill = (" "):rep(width - M.width(s))
  return side == "left" and fill .. s or s .. fill
end

---Breaks text at spaces into lines of at most `width` columns; words longer than a line are broken.
---@param s string
---@param width integer
---@return string[]
function M.wrap(s, width)
  local lines, line = {}, ""
  width = math.max(width, 4)
  for word in M.clean(s:gsub("%s", " ")):gmatch("%S+") do
    while M.width(word) > width do
      if line ~= "" then lines[#lines + 1] = line end
      local part = head(word, width)
      lines[#lines + 1], line = part, ""
      word = word:sub(#part + 1)
    end
    if line ~= "" and M.width(line) + 1 + M.width(word) > width then
      lines[#lines + 1], line = line, word
    elseif word ~= "" then
      line = line == "" and word or line .. " " .. word
    end
  end
  if line ~= "" or #lines == 0 then lines[#lines + 1] = line end
  return lines
end

---"0.4s", "12s", "3m05s", "1h02m", "2d03h".
---@param seconds number
---@return string
function M.duration(seconds)
  if seconds ~= seconds or seconds == math.huge or seconds == -math.huge then return "?" end
  if seconds < 0 then return "-" .. M.duration(-seconds) end
  if seconds < 9.95 then return string.format("%.1fs", seconds) end
  local s = math.floor(seconds + 0.5)
  if s < 60 then return s .. "s" end
  if s < 3600 then return string.format("%dm%02ds", s // 60, s % 60) end
  if s < 86400 then return string.format("%dh%02dm", s // 3600, s % 3600 // 60) end
  return string.format("%dd%02dh", s // 86400, s % 86400 // 3600)
end

---"512 B", "1.5 kB", "23 MB": powers of 1000, as disks and limits count.
---@param n number
---@return string
function M.bytes(n)
  if n ~= n or n == math.huge or n == -math.huge then return "?" end
  if n < 0 then return "-" .. M.bytes(-n) end
  if n < 999.5 then return string.format("%d B", math.floor(n + 0.5)) end
  for _, unit in ipairs { "kB", "MB", "GB", "TB" } do
    n = n / 1000
    if n < 9.95 then return string.format("%.1f %s", n, unit) end
    if n < 999.5 then return string.format("%.0f %s", n, unit) end
  end
  return string.format("%.0f PB", n / 1000)
end

---A number for people: integers whole, others with `digits` significant digits (5 unless told).
---@param x number|nil
---@param digits? integer
---@return string
function M.number(x, digits)
  if x == nil then return "-" end
  if x ~= x then return "nan" end
  if x == math.huge then return "inf" elseif x == -math.huge then return "-inf" end
  if math.type(x) == "integer" then return string.format("%d", x) end
  return string.format("%." .. (digits or 5) .. "g", x)
end

---"1 trial", "2 trials".
---@param n integer
---@param noun string
---@param plural? string
---@return string
function M.count(n, noun, plural)
  return string.format("%d %s", n, n == 1 and noun or plural or noun .. "s")
end

---The number of edits (insert, delete, replace, swap of neighbours) between two words.
---@param a string
---@param b string
---@return integer
function M.distance(a, b)
  local before, row = {}, {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local older
    older, before, row = before, row, { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      row[j] = math.min(before[j] + 1, row[j - 1] + 1, before[j - 1] + cost)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], older[j - 2] + 1)
      end
    end
  end
  return row[#b]
end

---The name in the list that `word` was probably meant to be, or nil.
---@param word string
---@param names string[]
---@return string|nil
function M.nearest(word, names)
  local best, found = math.huge, nil
  for _, name in ipairs(names) do
    local d = M.distance(word:lower(), name:lower())
    if #word >= 3 and name:sub(1, #word) == word then d = math.min(d, 1) end
    if d < best then best, found = d, name end
  end
  return best <= math.max(1, #word // 3) and found or nil
end

---What to say behind a name that there is not: "; did you mean evolve?", or which there are.
---@param word string
---@param names string[]
---@return string
function M.instead(word, names)
  if #names == 0 then return "" end
  local near = M.nearest(word, names)
  return near and "; did you mean " .. near .. "?" or "; there " .. (#names == 1 and "is " or "are ") .. table.concat(names, ", ")
end

---What a program said last: the last line of its output, or of the message above Lua's traceback.  It is shown on
---terminals, so nothing in it may steer one.
---@param log string|nil
---@return string|nil line  at most 200 bytes and "..."
function M.last_line(log)
  local line
  for l in (log or ""):gmatch("[^\n]+") do
    if line and l:find("^%s*stack traceback:%s*$") then break end
    if l:find("[^%s%c]") then line = l end
  end
  line = line and M.clean(line)
  return line and #line > 200 and line:sub(1, utf8.offset(line, 0, 200) - 1) .. "..." or line
end

return M
