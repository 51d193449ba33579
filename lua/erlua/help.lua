-- help.lua: what a public name does, read at call time from the comment above it in
-- erlua's own Lua sources, or else from docs/api.md.

local host = require("erlua.core.host")
local fs = require("erlua.core.fs")
local text = require("erlua.text")

local M = {}

local INTRO = [[
erlua runs searches over code: ideas become patches, patches run as jobs, frozen
code scores them.

  help(erlua.map)      explains a function; a name as text works too: help "map"
  help(erlua)          lists what there is
  erlua.options, erlua.study, erlua.spawn, erlua.map, erlua.sleep are a start

A line may wait; ctrl-C cancels it.  Tasks that a line spawns go on while you
type the next one.
Scripts: erlua strategies/evolve.lua --help]]

local function lines_of(source)
  local out = {}
  for line in (source .. "\n"):gmatch("(.-)\r?\n") do out[#out + 1] = line end
  return out
end

-- The source that a chunk was loaded from: erlua's own by its name, others from disk.
local function source_of(chunk)
  local path = chunk:match("^@(.+)$")
  if not path then return nil end
  if path:match("^erlua/") or path:match("^strategies/") then return (fs.own("lua/" .. path)) end
  return (fs.read(path, 4 << 20))
end

-- The comment block that ends just above a line, and the line itself.
local function comment_above(lines, at)
  local from = at
  while from > 1 and lines[from - 1]:match("^%s*%-%-") do from = from - 1 end
  local out = {}
  for i = from, at - 1 do out[#out + 1] = lines[i]:match("^%s*%-%-+%s?(.*)$") end
  return out
end

-- LuaCATS tags as words.
local function readable(comment)
  local out = {}
  for _, line in ipairs(comment) do
    local tag, rest = line:match("^@(%a+)%s*(.*)$")
    if tag == "param" then out[#out + 1] = "  " .. (rest:gsub("^%S+", "%0:", 1))
    elseif tag == "return" then out[#out + 1] = "  returns " .. rest
    elseif not tag then out[#out + 1] = line end
  end
  return out
end

local function signature(line, name)
  local args = line:match("function[^(]*(%b())") or line:match("=%s*function%s*(%b())")
  return name and args and name .. args or name or args and line:match("function%s*([%w_.:]*)") .. args
end

local function from_source(f, name)
  local info = debug.getinfo(f, "S")
  if info.what == "C" then return nil end
  local source = source_of(info.source)
  if not source then return nil end
  local lines = lines_of(source)
  local at = info.linedefined
  if not lines[at] then return nil end
  local out = readable(comment_above(lines, at))
  if #out == 0 then return nil end
  table.insert(out, 1, signature(lines[at], name) or name or "function")
  return table.concat(out, "\n")
end

-- Names that init.lua takes over from C have their comment there.
local function from_manifest(name)
  local last = name and name:match("^erlua%.([%w_]+)$")
  local lines = last and lines_of(fs.own("lua/erlua/init.lua") or "") or {}
  for at, line in ipairs(lines) do
    if line:match("^M%." .. last .. "%s*=") then
      local out = readable(comment_above(lines, at))
      if #out == 0 then return nil end
      return name .. "\n" .. table.concat(out, "\n")
    end
  end
end

local function api_page()
  local own = fs.own("docs/api.md")
  if own then return own end
  local dir = fs.own_dir()
  return dir and fs.read(dir .. "/docs/api.md", 4 << 20)
end

-- Does a line of the API page open the entry of `name`: a heading, list item or table
-- row whose first code is the name, alone or with arguments?
local function opens_entry(line, name)
  local code = line:match("^#+%s*`([^`]+)`") or line:match("^[-*]%s+`([^`]+)`") or line:match("^|%s*`([^`]+)`")
  local word = code and code:match("^[%w_.:]+")
  return word == name or word ~= nil and word:match("[.:]([%w_]+)$") == name
end

local function from_api(name)
  local page = name and api_page()
  if not page then return nil end
  local out
  for _, line in ipairs(lines_of(page)) do
    if out then
      if line:match("^#") or line:match("^[-*|]%s*`?") or line == "" and #out > 1 then break end
      out[#out + 1] = line
    elseif opens_entry(line, name) then
      if line:match("^|") then
        return (line:gsub("^|%s*", ""):gsub("%s*|%s*$", ""):gsub("%s*|%s*", "\n  "):gsub("`", ""))
      end
      out = { (line:gsub("^#+%s*", ""):gsub("^[-*]%s+", "")) }
    end
  end
  return out and (table.concat(out, "\n"):gsub("%s+$", ""):gsub("`", ""))
end

-- The public names in a table, those that load at first use included; sorted.
local function names_in(t)
  local set, out = {}, {}
  for k in next, t do set[k] = true end
  local meta = debug.getmetatable(t)
  for k in next, type(meta) == "table" and rawget(meta, "__names") or {} do set[k] = true end
  for k in next, set do
    if type(k) == "string" and k:match("^%a") then out[#out + 1] = k end
  end
  table.sort(out)
  return out
end

local function fetch(t, k)
  local ok, v = pcall(function() return t[k] end)
  if ok then return v end
end

-- Looks through erlua's public tables for a value or a last name, the nearest first.
local function search(t, wanted_value, wanted_name, prefix)
  prefix = prefix or "erlua."
  local names = names_in(t)
  for _, k in ipairs(names) do
    local v = fetch(t, k)
    if wanted_value ~= nil and rawequal(v, wanted_value) or k == wanted_name then return prefix .. k, v end
  end
  if prefix ~= "erlua." then return nil end
  for _, k in ipairs(names) do
    local v = fetch(t, k)
    if type(v) == "table" then
      local name, found = search(v, wanted_value, wanted_name, prefix .. k .. ".")
      if name then return name, found end
    end
  end
end

local function by_path(path)
  local v = _G
  for part in path:gmatch("[^.:]+") do
    if type(v) ~= "table" then return nil end
    v = fetch(v, part)
  end
  return v
end

local function explain(f, name) return from_source(f, name) or from_manifest(name) or from_api(name) end

local function summary(v, name)
  if type(v) == "function" then return (explain(v, name) or ""):match("^[^\n]*\n%s*([^\n]*)") or "" end
  return type(v) == "table" and "(" .. text.count(#names_in(v), "name") .. ")" or type(v)
end

local function list_of(t, prefix)
  local out = names_in(t)
  for i, k in ipairs(out) do
    out[i] = text.cut(text.pad(prefix .. k, 20) .. " " .. summary(fetch(t, k), prefix .. k), 79)
  end
  return table.concat(out, "\n")
end

-- Lines that are longer than the terminal is wide go on below themselves, indented.
local function fit(s)
  local width, out = host.terminal(1), {}
  if not width then return s end
  for _, line in ipairs(lines_of(s)) do
    local indent = line:match("^ *")
    if text.width(line) <= width then
      out[#out + 1] = line
    else
      for i, part in ipairs(text.wrap(line, width - #indent - 2)) do
        out[#out + 1] = indent .. (i > 1 and "  " or "") .. part
      end
    end
  end
  return table.concat(out, "\n")
end

local function answer(...)
  if select("#", ...) == 0 then return INTRO end
  local x = ...
  local erlua = require("erlua")
  local name
  if type(x) == "string" then
    local v = by_path(x)
    name = x
    if v == nil then name, v = search(erlua, nil, x:match("[^.:]+$")) end
    if v == nil then
      return from_api(x) or "there is no help for '" .. text.cut(text.clean(x), 60) .. "'; help(erlua) lists what there is"
    end
    x = v
  end
  name = name or search(erlua, x) or nil
  if type(x) == "function" then
    return explain(x, name) or name and name .. ": see docs/api.md" or "a function that erlua knows nothing about"
  end
  if rawequal(x, erlua) then return list_of(x, "erlua.") end
  if type(x) == "table" and not debug.getmetatable(x) then
    return from_api(name) or list_of(x, name and name .. "." or "")
  end
  local meta = debug.getmetatable(x)
  local methods = type(meta) == "table" and rawget(meta, "__index")
  if type(methods) == "table" then return list_of(methods, ":") end
  return "a " .. type(x) .. ": help explains functions and tables of them"
end

---What help(x) prints.
---@param x any  a public function, a table of them, or a name as text
---@return string
function M.text(...) return fit(answer(...)) end

return M
