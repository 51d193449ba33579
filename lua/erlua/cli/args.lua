-- cli/args.lua - the command line of a sub-command: words, flags and options with a value.

local host = require("erlua.core.host")
local text = require("erlua.text")

local M = {}

local function unknown(name, known)
  local names = { "--help" }
  for n in pairs(known) do names[#names + 1] = n end
  table.sort(names)
  local near = text.nearest(name, names)
  return "unknown option " .. text.cut(text.clean(name), 40) .. (near and "; did you mean " .. near .. "?" or "")
end

local function whole(name, s)
  local n = math.tointeger(tonumber(s))
  if not n or n < 1 then return nil, name .. " expects a whole number from 1 up, but got '" .. text.clean(s) .. "'" end
  return n
end

local function one_of(name, s, choices)
  for _, c in ipairs(choices) do
    if c == s then return s end
  end
  local near = text.nearest(s, choices)
  return nil, name .. " expects one of " .. table.concat(choices, ", ") .. ", but got '" .. text.clean(s) .. "'"
    .. (near and "; did you mean " .. near .. "?" or "")
end

local function value_of(name, kind, s)
  if s == nil then return nil, name .. " needs a value" end
  if kind == "number" then return whole(name, s) end
  if type(kind) == "table" then return one_of(name, s, kind) end
  return s
end

-- Takes the word at i; returns the next i, or nil and a message.
local function take(argv, i, known, opt)
  local word = argv[i]
  if word:sub(1, 1) ~= "-" or word == "-" then
    opt[#opt + 1] = word
    return i + 1
  end
  local name, value = word:match("^(%-%-[^=]+)=(.*)$")
  name = name or word
  local kind = known[name]
  local field = name:match("^%-*(.*)$"):gsub("-", "_")
  if not kind then return nil, unknown(name, known) end
  if kind == "flag" then
    if value then return nil, name .. " takes no value" end
    opt[field] = true
    return i + 1
  end
  local v, message = value_of(name, kind, value or argv[i + 1])
  if v == nil then return nil, message end
  if kind == "list" then
    opt[field] = opt[field] or {}
    table.insert(opt[field], v)
  else
    opt[field] = v
  end
  return value and i + 1 or i + 2
end

---Reads a command line.  On --help it prints the usage, on a wrong one it says why.
---@param argv string[]
---@param usage string
---@param known table<string, "flag"|"text"|"number"|"list"|string[]>  by option: "--json" = "flag", or its choices
---@param most integer  words at most
---@return table|nil opt  options by name ("no_run"), words as an array
---@return integer? exit_code  when there is nothing more to do
function M.parse(argv, usage, known, most)
  local opt, i = {}, 1
  for _, word in ipairs(argv) do
    if word == "--help" or word == "-h" then
      host.out(usage)
      return nil, 0
    end
  end
  while i <= #argv do
    local message
    i, message = take(argv, i, known, opt)
    if not i then return M.misuse(message, usage) end
  end
  if #opt > most then return M.misuse("unexpected argument '" .. text.clean(opt[most + 1]) .. "'", usage) end
  return opt
end

---Says what is wrong with a command line.
---@param message string
---@param usage string
---@return nil
---@return integer exit_code
function M.misuse(message, usage)
  host.report(message .. "\n" .. usage:match("^[^\n]*"))
  return nil, 2
end

return M
