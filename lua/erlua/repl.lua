-- repl.lua: what the prompt needs from Lua: compiling what was typed, completing
-- names, showing results and errors.  engine/lua/repl.c drives it.

local show = require("erlua.show")
local text = require("erlua.text")

local M = {}

local KEYWORDS = { "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local",
  "nil", "not", "or", "repeat", "return", "then", "true", "until", "while" }

local function unfinished(message) return message:sub(-5) == "<eof>" end

---Makes what the prompt alone has: the function help.
function M.open()
  rawset(_G, "erlua", require("erlua"))  -- loaded now, so that its names can be completed
  if rawget(_G, "help") ~= nil then return end
  rawset(_G, "help", setmetatable({}, {
    __call = function(_, ...) print(require("erlua.help").text(...)) end,
    __tostring = function() return "help(x) explains a function of erlua; help() says where to begin" end,
  }))
end

---@param continued boolean
---@return string
function M.prompt(continued)
  local custom = rawget(_G, continued and "_PROMPT2" or "_PROMPT")
  if custom == nil then return continued and ">> " or "> " end
  local ok, s = pcall(tostring, custom)
  return ok and s or "> "
end

---Compiles what was typed so far: as an expression if it is one.
---@param source string
---@return function|nil
---@return string? message  why not
---@return boolean? more  another line could complete it
function M.compile(source)
  local chunk, why = load("return " .. source, "=stdin", "t")
  if chunk then return chunk end
  local statement, message = load(source, "=stdin", "t")
  if statement then return statement end
  if unfinished(why) then message = why end
  return nil, message, unfinished(message)
end

---@param width integer
---@return string  "" where there is nothing to show
function M.results(width, n, ...)
  if n == 0 then return "" end
  return show.results({ width = width }, n, ...)
end

---An error as the prompt shows it; the traceback is cut below the line that was typed.
---@param e any
---@param trace string
---@return string
function M.failure(e, trace)
  if e == "cancelled" then return "cancelled" end
  local message = type(e) == "string" and e or show.value(e)
  local lines = {}
  for line in trace:gmatch("[^\n]+") do
    if line:find("^%s*stdin:.*in main chunk") or line:find("^%s*stdin:.*in function <stdin:") then
      lines[#lines + 1] = line
      break
    end
    local noise = line:find("^%s*%[C%]: in function 'error'") or line:find("^%s*%[C%]: in %?")
      or line:find("^%s*%(%.%.%.tail calls")
    if not noise then lines[#lines + 1] = line end
  end
  -- A mistake in the typed line itself needs no trace.
  if #lines <= 2 then return message end
  return message .. "\n" .. table.concat(lines, "\n")
end

-- A field without running code of the user's: raw, or through __index tables.
local function field(v, name)
  for _ = 1, 8 do
    if type(v) == "table" then
      local found = rawget(v, name)
      if found ~= nil then return found end
    end
    local meta = debug.getmetatable(v)
    v = type(meta) == "table" and rawget(meta, "__index")
    if type(v) == "function" then return nil end
    if not v then return nil end
  end
end

local function add_names(into, v, only_functions)
  local own = debug.getmetatable(v)
  local promised = type(own) == "table" and rawget(own, "__names")      -- loaded at first use
  if type(promised) == "table" then
    for k in next, promised do into[k] = k end
  end
  for _ = 1, 8 do
    if type(v) == "table" then
      for k, x in next, v do
        if type(k) == "string" and k:match("^[%a_][%w_]*$") and (not only_functions or type(x) == "function") then
          into[k] = x
        end
      end
    end
    local meta = debug.getmetatable(v)
    v = type(meta) == "table" and rawget(meta, "__index")
    if type(v) ~= "table" then return end
  end
end

-- What stands before the last name: the value whose fields complete it.
local function owner_of(path)
  local v = _G
  for name in path:gmatch("[%a_][%w_]*") do
    v = field(v, name)
    if v == nil then return nil end
  end
  return v
end

-- The names that could stand at the end of `line`, and how many letters of them are there.
local function candidates(line)
  local word = line:match("[%w_.:]*$")
  if word:find("^%.") or word:find("^%d") then return {}, 0 end
  local path, separator, start = word:match("^(.-)([.:])([%w_]*)$")
  local names, out = {}, {}
  if not path then
    start = word
    add_names(names, _G)
    for _, k in ipairs(KEYWORDS) do names[k] = k end
  else
    local owner = path ~= "" and owner_of(path)
    if owner == nil or owner == false then return {}, 0 end
    add_names(names, owner, separator == ":")
  end
  for name in next, names do
    if name:sub(1, #start) == start and (start ~= "" or name:sub(1, 1) ~= "_") then out[#out + 1] = name end
  end
  table.sort(out)
  return out, #start, names
end

local function common_prefix(names)
  local first, last = names[1], names[#names]
  local n = 0
  while n < #first and first:byte(n + 1) == last:byte(n + 1) do n = n + 1 end
  return first:sub(1, n)
end

local function columns(names, width)
  local widest = 0
  for _, name in ipairs(names) do widest = math.max(widest, #name + 2) end
  local per_line = math.max(1, width // widest)
  local rows = (#names + per_line - 1) // per_line
  local lines = {}
  for row = 1, rows do
    local line = {}
    for i = row, #names, rows do line[#line + 1] = text.pad(names[i], widest) end
    lines[row] = table.concat(line):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

---Completes the name that a line ends in.
---@param line string  the text before the cursor
---@param width integer
---@return string insert  the letters that follow for certain
---@return string list  what could follow, in columns; "" unless the choice is open
function M.complete(line, width)
  if not line:find("%S") then return "  ", "" end
  local names, have, values = candidates(line)
  if #names == 0 then return "", "" end
  local prefix = common_prefix(names)
  if #names == 1 then
    local callable = type(values[prefix]) == "function"
    return prefix:sub(have + 1) .. (callable and "(" or ""), ""
  end
  if #prefix > have then return prefix:sub(have + 1), "" end
  return "", columns(names, width)
end

return M
