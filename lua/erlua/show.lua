-- show.lua: values as a reader wants to see them, at the prompt and in messages.
-- Nested tables with sorted keys, one line where it fits; no addresses, so that
-- the same value always reads the same.

local text = require("erlua.text")

local M = {}

local DEFAULTS = { width = 80, items = 20, depth = 6, string = 2000, values = 5000 }
local RANK = { number = 1, string = 2, boolean = 3 }

local function by_key(a, b)
  local ra, rb = RANK[type(a)] or 4, RANK[type(b)] or 4
  if ra ~= rb then return ra < rb end
  if ra == 3 then return not a and b end
  if ra == 4 then return type(a) < type(b) end
  return a < b
end

local function sorted_keys(t)
  local keys = {}
  for k in next, t do keys[#keys + 1] = k end
  table.sort(keys, by_key)
  return keys
end

local ESCAPES = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ["\""] = "\\\"", ["\\"] = "\\\\" }

-- A string literal that reads back as the same bytes; UTF-8 stays readable.
local function quote(s, max)
  local more = #s - max
  if more > 0 then s = s:sub(1, max) end
  s = s:gsub("[%c\"\\]", function(c) return ESCAPES[c] or string.format("\\x%02x", c:byte()) end)
  if not utf8.len(s) then
    s = s:gsub("[\x80-\xff]", function(c) return string.format("\\x%02x", c:byte()) end)
  end
  return "\"" .. s .. "\"" .. (more > 0 and " … " .. text.count(more, "more byte") or "")
end

local function name_of(v)
  local meta = debug.getmetatable(v)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) == "string" and name or nil
end

-- An object by its own __tostring; one that fails must not hide the rest.
local function by_tostring(v)
  local ok, s = pcall(tostring, v)
  if not ok then
    return "<" .. (name_of(v) or type(v)) .. ": __tostring failed: " .. text.cut(tostring(s), 60) .. ">"
  end
  return (s:gsub(": 0x%x+", ""):gsub(" ?%(0x%x+%)", ""))
end

local function show_function(f)
  local info = debug.getinfo(f, "S")
  if info.what == "C" then return "function (built in)" end
  return string.format("function (%s:%d)", info.short_src:match("[^/]*$"), info.linedefined)
end

local function show_key(k, o)
  if type(k) == "string" and k:match("^[%a_][%w_]*$") then return k end
  if type(k) == "string" then return "[" .. quote(k, o.string) .. "]" end
  if type(k) == "table" then return "[" .. (name_of(k) or "table") .. "]" end
  return "[" .. by_tostring(k) .. "]"
end

local show_value

-- Short list items share lines, up to the width.
local function packed(items, width)
  local out = {}
  for _, item in ipairs(items) do
    local last = out[#out]
    if last and not last:find("\n") and not item:find("\n") and text.width(last) + text.width(item) + 3 <= width then
      out[#out] = last .. ", " .. item
    else
      out[#out + 1] = item
    end
  end
  return out
end

local function fields(t, o, indent, path)
  local out, n = {}, rawlen(t)
  for i = 1, math.min(n, o.items) do out[i] = show_value(rawget(t, i), o, indent + 2, path) end
  if n > o.items then out[#out + 1] = string.format("… %d more", n - o.items) end
  out = packed(out, o.width - indent - 2)
  local named = 0
  for _, k in ipairs(sorted_keys(t)) do
    if not (math.type(k) == "integer" and k >= 1 and k <= n) then
      named = named + 1
      if named <= o.items then
        local key = show_key(k, o) .. " = "
        out[#out + 1] = key .. show_value(rawget(t, k), o, indent + 2, path)
      end
    end
  end
  if named > o.items then out[#out + 1] = string.format("… %d more", named - o.items) end
  return out
end

local function show_table(t, o, indent, path)
  if path[t] then return "<cycle>" end
  o.values = o.values - 1                     -- bounds what shared tables can multiply to
  if next(t) == nil then return "{}" end
  if indent // 2 >= o.depth or o.values < 0 then return "{…}" end
  path[t] = true
  local parts = fields(t, o, indent, path)
  path[t] = nil
  local line = "{ " .. table.concat(parts, ", ") .. " }"
  if not line:find("\n") and indent + text.width(line) <= o.width then return line end
  local pad = (" "):rep(indent + 2)
  return "{\n" .. pad .. table.concat(parts, ",\n" .. pad) .. "\n" .. (" "):rep(indent) .. "}"
end

function show_value(v, o, indent, path)
  local kind = type(v)
  if kind == "string" then return quote(v, o.string) end
  local meta = debug.getmetatable(v)
  if type(meta) == "table" and rawget(meta, "__tostring") then return by_tostring(v) end
  if kind == "table" then return show_table(v, o, indent, path) end
  if kind == "function" then return show_function(v) end
  if kind == "userdata" or kind == "thread" then return "<" .. (name_of(v) or kind) .. ">" end
  return tostring(v)
end

local function settings(options)
  local o = {}
  for k, v in next, DEFAULTS do o[k] = v end
  for k, v in next, options or {} do o[k] = v end
  return o
end

---A value as text: tables with sorted keys, strings quoted, long lists cut.
---@param v any
---@param options? {width: integer?, items: integer?, depth: integer?, string: integer?}
---@return string
function M.value(v, options) return show_value(v, settings(options), 0, {}) end

---The results of a line at the prompt, each as text; a string alone stands without quotes
---when all of it can be printed.
---@param n integer  how many results
---@param options? table  as for M.value
---@return string
function M.results(options, n, ...)
  local out = {}
  for i = 1, n do
    local v = (select(i, ...))
    local plain = type(v) == "string" and utf8.len(v) and not v:find("[^\n\t\x20-\xff]")
    out[i] = plain and v or M.value(v, options)
  end
  local line = table.concat(out, "\t")
  return n > 1 and (line:find("\n") or #line > 80) and table.concat(out, "\n") or line
end

---Prints values as the prompt shows results.
function M.print(...)
  local host = require("erlua.core.host")
  host.out(M.results({ width = host.terminal(1) or 80 }, select("#", ...), ...) .. "\n")
end

return M
