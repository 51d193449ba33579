-- options.lua: the typed command line of a script.
-- The script declares names with defaults; the type of an option is the type of its
-- default.  Every strategy also takes those of options_common.lua.

local text = require("erlua.text")
local help = require("erlua.options_help")
local COMMON = require("erlua.options_common")

local M = {}

local WORDS = {
  integer = "a whole number", number = "a number", string = "a text", boolean = "yes or no",
}
local YES = { ["true"] = true, yes = true, on = true, ["1"] = true }
local NO = { ["false"] = true, no = true, off = true, ["0"] = true }

local function flag(name) return "--" .. name:gsub("_", "-") end

local function misuse(name, message)
  error(string.format("erlua.options: option '%s' %s", tostring(name), message), 0)
end

local function type_of(v)
  return type(v) == "number" and math.type(v):gsub("float", "number") or type(v)
end

-- What a script wrote for one name, as { name, type, default, help, … }.
local function declaration(name, given)
  if type(name) ~= "string" or not name:match("^%a[%w_]*$") then
    misuse(name, "needs a name of letters, digits and '_'")
  end
  if name == "help" or name:match("^no_") then
    misuse(name, "cannot be called that: --help and --no-… have a meaning already")
  end
  local o = { name = name, default = given }
  if type(given) == "table" then
    o.default, o.help = given.default, given.help or given[2]
    if o.default == nil then o.default = given[1] end
    for _, key in ipairs { "type", "choices", "min", "max", "meta" } do o[key] = given[key] end
  end
  o.type = o.type or (o.default ~= nil and type_of(o.default)) or nil
  if not WORDS[o.type] then misuse(name, "needs a default or a type: integer, number, string or boolean") end
  if (o.min or o.max) and o.type ~= "integer" and o.type ~= "number" then
    misuse(name, "has a range, but is " .. WORDS[o.type])
  end
  return o
end

local function in_range(o, v)
  if o.min and v < o.min then
    return nil, string.format("%s must be at least %s, but got %s", flag(o.name), o.min, v)
  end
  if o.max and v > o.max then return nil, string.format("%s must be at most %s, but got %s", flag(o.name), o.max, v) end
  return v
end

local function choice_words(o)
  local words = {}
  for i, c in ipairs(o.choices) do words[i] = tostring(c) end
  return words
end

-- A default must be a value that the option itself would take.
local function check_default(o)
  local v = o.default
  if v == nil then return end
  if o.type == "number" and math.type(v) == "integer" then v = v + 0.0 end
  if type_of(v) ~= o.type then
    misuse(o.name, string.format("is %s, but its default is %s", WORDS[o.type], text.cut(tostring(v), 40)))
  end
  local ok, message = in_range(o, v)
  if ok == nil then misuse(o.name, "has a default outside its range: " .. message) end
  local known = not o.choices
  for _, c in ipairs(o.choices or {}) do known = known or c == v end
  if not known then
    misuse(o.name, string.format("has a choice of %s, and its default '%s' is none of them",
      table.concat(choice_words(o), ", "), v))
  end
  o.default = v
end

local function merged(common, own)
  if own.type ~= common.type and not (own.default == nil) then
    misuse(own.name, "is one that every strategy has, and is " .. WORDS[common.type])
  end
  local o = {}
  for k, v in pairs(common) do o[k] = v end
  for k, v in pairs(own) do o[k] = v end
  o.type, o.common = common.type, true
  return o
end

-- The options of a script: its own by name, then those every strategy takes.
local function all_options(declared)
  local own, list, by_name = {}, {}, {}
  for name, given in pairs(declared or {}) do own[name] = declaration(name, given) end
  local names = {}
  for name in pairs(own) do names[#names + 1] = name end
  table.sort(names)
  local common = {}
  for _, c in ipairs(COMMON) do
    common[c.name] = true
    by_name[c.name] = own[c.name] and merged(c, own[c.name]) or merged(c, {})
  end
  for _, name in ipairs(names) do
    if not common[name] then
      by_name[name] = own[name]
      list[#list + 1] = own[name]
    end
  end
  for _, c in ipairs(COMMON) do list[#list + 1] = by_name[c.name] end
  for _, o in ipairs(list) do check_default(o) end
  return list, by_name
end

local function quoted(s) return "'" .. text.cut(text.clean(s), 60) .. "'" end

local function to_number(o, s)
  local v = s:match("^%s*[-+]?[%d.]") and tonumber(s)
  if o.type == "integer" then v = v and math.tointeger(v) else v = v and v + 0.0 end
  if v == nil or v ~= v or v == math.huge or v == -math.huge then
    return nil, string.format("%s expects %s, but got %s", flag(o.name), WORDS[o.type], quoted(s))
  end
  return in_range(o, v)
end

local function to_choice(o, s)
  for _, c in ipairs(o.choices) do
    if tostring(c) == s then return c end
  end
  local names = choice_words(o)
  local near = text.nearest(s, names)
  return nil, string.format("%s expects one of %s, but got %s%s", flag(o.name), table.concat(names, ", "), quoted(s),
    near and "; did you mean '" .. near .. "'?" or "")
end

local function to_value(o, s)
  if o.choices then return to_choice(o, s) end
  if o.type == "string" then
    if s == "" and o.common then return nil, flag(o.name) .. " needs a value: " .. (o.meta or "a text") end
    return s
  end
  if o.type == "boolean" then
    if YES[s] then return true elseif NO[s] then return false end
    return nil, string.format("%s expects yes or no, but got %s", flag(o.name), quoted(s))
  end
  return to_number(o, s)
end

local function unknown(name, by_name)
  local names = { "help" }
  for known, o in pairs(by_name) do
    names[#names + 1] = (known:gsub("_", "-"))
    if o.type == "boolean" then names[#names + 1] = "no-" .. known:gsub("_", "-") end
  end
  table.sort(names)
  local near = text.nearest(name, names)
  return string.format("unknown option %s%s", quoted("--" .. name),
    near and "; did you mean --" .. near .. "?" or "")
end

-- Takes one option off argv at i.  Returns the next i, or nil and a message.
local function take(argv, i, by_name, opt, given)
  local word, value = argv[i]:match("^%-%-([^=]+)=(.*)$")
  word = word or argv[i]:match("^%-%-(.+)$")
  if not word then
    return nil, string.format("unexpected argument %s: options start with --", quoted(argv[i]))
  end
  local name = word:gsub("-", "_")
  local o, negated = by_name[name], false
  if not o and name:match("^no_") then
    o = by_name[name:sub(4)]
    negated = o ~= nil and o.type == "boolean"
    if not negated then return nil, unknown(word, by_name) end
  end
  if not o then return nil, unknown(word, by_name) end
  local v, message
  if o.type == "boolean" and not value then
    v = not negated
  elseif negated then
    return nil, flag(name) .. " takes no value"
  else
    if not value then
      i = i + 1
      value = argv[i]
      if value == nil or value:match("^%-%-.") then
        return nil, string.format("%s needs a value: %s", flag(o.name),
          o.meta or o.choices and "one of those that --help lists" or WORDS[o.type])
      end
    end
    v, message = to_value(o, value)
    if v == nil then return nil, message end
  end
  opt[o.name], given[o.name] = v, true
  return i + 1
end

---Reads a script's command line.
---@param declared table<string, any>  name = default, {default, "help"} or {type=, default=, help=, choices=, min=, max=}
---@param argv string[]
---@param info? {script: string?, script_comment: string?, width: integer?}
---@return table|nil opt  every option by name
---@return table|string given  which ones the command line set, or the message (the help text with code "help")
---@return string? code  "usage" for a wrong command line (exit 2), "help" for --help (exit 0)
function M.parse(declared, argv, info)
  local list, by_name = all_options(declared)
  local opt, given = {}, {}
  for _, o in ipairs(list) do opt[o.name] = o.default end
  for _, a in ipairs(argv) do
    if a == "--help" or a == "-h" then return nil, help.page(list, info or {}), "help" end
  end
  local i = 1
  while i <= #argv do
    local message
    i, message = take(argv, i, by_name, opt, given)
    if not i then return nil, message, "usage" end
  end
  return opt, given
end

M.leading_comment = help.leading_comment

return M
