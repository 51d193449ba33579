-- llm/prices.lua - what tokens cost: dollars a million, of four kinds.
-- The user's own table comes first: $ERLUA_PRICES, else ~/.config/erlua/prices.lua, restricted
-- Lua that returns a table of the same form.  The first name that matches counts; a model
-- that is nowhere costs something unknown, never nothing.

local box = require("erlua.core.box")
local fs = require("erlua.core.fs")
local host = require("erlua.core.host")
local sorted = require("erlua.lists").keys
local text = require("erlua.text")

local M = {}

-- The providers' pages as of 2026-11-23.
-- "provider:model", with "@host:port" behind it unless the host is the provider's own; "*"
-- stands for anything.  { input, cache_read, cache_write, output }; `above` a number of
-- tokens in the prompt all prices are those of `long`.
local TABLE = {
  { "anthropic:claude-fable-5-2*", 8, 0.20, 10, 40 },
  { "anthropic:claude-fable-5-1*", 10, 0.25, 12.5, 50 }, { "anthropic:claude-mythos-5-1*", 10, 0.25, 12.5, 50 },
  { "anthropic:claude-fable-5", 10, 1, 12.5, 50 }, { "anthropic:claude-mythos-5", 10, 1, 12.5, 50 },
  { "anthropic:claude-opus-5-5*", 4, 0.20, 5, 20 }, { "anthropic:claude-opus-5*", 5, 0.50, 6.25, 25 },
  { "anthropic:claude-opus-4-5*", 5, 0.50, 6.25, 25 }, { "anthropic:claude-opus-4-6*", 5, 0.50, 6.25, 25 },
  { "anthropic:claude-opus-4-7*", 5, 0.50, 6.25, 25 }, { "anthropic:claude-opus-4-8*", 5, 0.50, 6.25, 25 },
  { "anthropic:claude-opus-4-1*", 15, 1.50, 18.75, 75 }, { "anthropic:claude-opus-4-2025*", 15, 1.50, 18.75, 75 },
  { "anthropic:claude-sonnet-5-5*", 2, 0.10, 2.5, 10 }, { "anthropic:claude-sonnet-5*", 2, 0.20, 2.5, 10 },
  { "anthropic:claude-sonnet-4*", 3, 0.30, 3.75, 15 },
  { "anthropic:claude-haiku-5-5*", 0.10, 0.01, 0.125, 0.50, above = 100000, long = { 0.50, 0.05, 0.625, 2.50 } },
  { "anthropic:claude-haiku-4-5*", 1, 0.10, 1.25, 5 }, { "anthropic:claude-3-5-haiku*", 0.80, 0.08, 1, 4 },

  { "openai:gpt-6.2-astra*", 8, 0.40, 10, 40, above = 272000, long = { 16, 0.80, 20, 60 } },
  { "openai:gpt-6.2-sol*", 2, 0.10, 2.5, 10, above = 272000, long = { 4, 0.20, 5, 15 } },
  { "openai:gpt-6.1-sol*", 2, 0.10, 2.5, 10, above = 272000, long = { 4, 0.20, 5, 15 } },
  { "openai:gpt-6.1-terra*", 1, 0.05, 1.25, 5, above = 272000, long = { 2, 0.10, 2.5, 7.5 } },
  { "openai:gpt-6-astra*", 10, 1, 12.5, 50, above = 272000, long = { 20, 2, 25, 75 } },
  { "openai:gpt-6-sol*", 2, 0.20, 2.5, 10, above = 272000, long = { 4, 0.40, 5, 15 } },
  { "openai:gpt-6-luna*", 0.10, 0.01, 0.125, 0.50, above = 272000, long = { 0.20, 0.02, 0.25, 0.75 } },
  { "openai:gpt-5.6-sol*", 5, 0.50, 6.25, 30, above = 272000, long = { 10, 1, 12.5, 45 } },
  { "openai:gpt-5.6-terra*", 2, 0.20, 2.5, 12, above = 272000, long = { 4, 0.40, 5, 18 } },
  { "openai:gpt-5.6-luna*", 0.20, 0.02, 0.25, 1.20, above = 272000, long = { 0.40, 0.04, 0.50, 1.80 } },
  { "openai:gpt-5.5", 5, 0.50, 5, 30, above = 272000, long = { 10, 1, 10, 45 } },
  { "openai:gpt-5.5-2026*", 5, 0.50, 5, 30, above = 272000, long = { 10, 1, 10, 45 } },
  { "openai:gpt-5.4-mini*", 0.75, 0.075, 0.75, 4.50 }, { "openai:gpt-5.4-nano*", 0.20, 0.02, 0.20, 1.25 },
  { "openai:gpt-5.4", 2.5, 0.25, 2.5, 15, above = 272000, long = { 5, 0.50, 5, 22.5 } },
  { "openai:gpt-5.2", 1.75, 0.175, 1.75, 14 }, { "openai:gpt-5.2-2025*", 1.75, 0.175, 1.75, 14 },
  { "openai:gpt-5.1", 1.25, 0.125, 1.25, 10 }, { "openai:gpt-5.1-2025*", 1.25, 0.125, 1.25, 10 },
  { "openai:gpt-5", 1.25, 0.125, 1.25, 10 }, { "openai:gpt-5-2025*", 1.25, 0.125, 1.25, 10 },
  { "openai:gpt-5-mini*", 0.25, 0.025, 0.25, 2 }, { "openai:gpt-5-nano*", 0.05, 0.005, 0.05, 0.40 },
  { "openai:gpt-4.1-mini*", 0.40, 0.10, 0.40, 1.60 }, { "openai:gpt-4.1-nano*", 0.10, 0.025, 0.10, 0.40 },
  { "openai:gpt-4.1*", 2, 0.50, 2, 8 }, { "openai:gpt-4o-mini*", 0.15, 0.075, 0.15, 0.60 },
  { "openai:gpt-4o", 2.5, 1.25, 2.5, 10 }, { "openai:gpt-4o-2024*", 2.5, 1.25, 2.5, 10 },
  { "openai:o3", 2, 0.50, 2, 8 }, { "openai:o3-2025*", 2, 0.50, 2, 8 }, { "openai:o4-mini*", 1.10, 0.275, 1.10, 4.40 },

  -- DeepSeek's prices of its peak hours; the others are half of them.
  { "openai:deepseek-flash@api.deepseek.com:443", 0.30, 0.006, 0.30, 1.20 },
  { "openai:deepseek-v4-pro@api.deepseek.com:443", 1.32, 0.044, 1.32, 3.96 },
}

local KINDS = { "input", "cache_read", "cache_write", "output" }

local function named(list)
  return { input = list[1], cache_read = list[2], cache_write = list[3], output = list[4] }
end

-- A name without a host is one at the provider's own.
local function pattern_of(glob)
  return "^" .. glob:gsub("%p", "%%%0"):gsub("%%%*", glob:find("@", 1, true) and ".*" or "[^@]*") .. "$"
end

local function builtin_rows()
  local rows = {}
  for i, row in ipairs(TABLE) do
    local prices = named { table.unpack(row, 2, 5) }
    prices.above, prices.long = row.above, row.long and named(row.long)
    rows[i] = { pattern = pattern_of(row[1]), prices = prices }
  end
  return rows
end

-- ---- the user's own -----------------------------------------------------------------------------

local function wrong(path, ...) error("prices: " .. path .. ": " .. string.format(...), 0) end

-- Input and output must be there; what a cache costs is else what input costs.
local function check(path, name, v)
  if type(v) ~= "table" then wrong(path, "'%s' wants { input = …, output = … } in dollars a million tokens", name) end
  local out = {}
  for key, x in pairs(v) do
    local near = type(key) == "string" and text.nearest(key, KINDS)
    if key ~= "above" and key ~= "long" and not (near and near == key) then
      wrong(path, "'%s' has a field '%s'%s; there are %s, above and long", name, tostring(key),
        near and " (did you mean " .. near .. "?)" or "", table.concat(KINDS, ", "))
    end
    if key ~= "long" and (type(x) ~= "number" or x ~= x or x < 0 or x == math.huge) then
      wrong(path, "'%s': %s is a number of dollars, not %s", name, key, tostring(x))
    end
    out[key] = x
  end
  if not out.input or not out.output then wrong(path, "'%s' lacks its price of %s", name, out.input and "output" or "input") end
  if (out.above == nil) ~= (out.long == nil) then wrong(path, "'%s': above and long go together", name) end
  out.cache_read, out.cache_write = out.cache_read or out.input, out.cache_write or out.input
  if out.long then out.long = check(path, name .. ".long", out.long) end
  return out
end

---Rows of a table such as a user writes: { ["openai:my-model@localhost:8000"] = { input = 0, output = 0 } }.
---Longer names are looked at first, so that a special one goes before a general one.
function M.rows(path, source)
  local made, message = box.new(source, "@" .. path)
  local v = made and made:value()
  if not made then wrong(path, "%s", message) end
  if type(v) ~= "table" then wrong(path, "it must return a table") end
  local names, rows = sorted(v), {}
  table.sort(names, function(a, b) return #a > #b end)
  for i, name in ipairs(names) do
    if not name:find(":", 1, true) then wrong(path, "'%s' is no name of a model; write \"openai:%s\"", name, name) end
    rows[i] = { pattern = pattern_of(name), prices = check(path, name, v[name]) }
  end
  return rows
end

local function own_path()
  local named_path = host.getenv("ERLUA_PRICES")
  if named_path and named_path ~= "" then return named_path, true end
  local config, home = host.getenv("XDG_CONFIG_HOME"), host.getenv("HOME")
  if config and config ~= "" then return config .. "/erlua/prices.lua" end
  return home and home .. "/.config/erlua/prices.lua"
end

local rows                     -- read once, at the first question

local function all_rows()
  if rows then return rows end
  local path, wanted = own_path()
  local source, message = nil, nil
  if path and (wanted or fs.exists(path)) then
    source, message = fs.read(path)
    if not source then wrong(path, "%s", message) end
  end
  local list = source and M.rows(path, source) or {}
  for _, row in ipairs(builtin_rows()) do list[#list + 1] = row end
  rows = list
  return rows
end

---Under which name a model stands in the table.
---@param model table  of llm/spec.lua
---@return string
function M.name(model)
  local name = model.provider .. ":" .. model.name
  return model.own and name or name .. "@" .. (model.endpoint or ""):gsub("^%w+://", "")
end

local function look_up(name)
  for _, row in ipairs(all_rows()) do
    if name:find(row.pattern) then return row.prices end
  end
end

local found = {}               -- by name: every call asks several times

---The prices of a model; nil if they are not known.  Raises if the user's table is wrong.
---@param model table
---@return {input: number, cache_read: number, cache_write: number, output: number, above: integer?, long: table?}|nil
function M.of(model)
  local name = M.name(model)
  local known = found[name]
  if known == nil then
    known = look_up(name) or false
    found[name] = known
  end
  return known or nil
end

---Why a budget of money cannot be held with a model.
---@param model table
---@return string
function M.unknown(model)
  return "--budget: nobody knows what " .. model.spec .. " costs, so money cannot be counted. Write its price into "
    .. "~/.config/erlua/prices.lua (docs/models.md says how), or limit tokens=… or calls=… instead"
end

---What a usage costs; nil if that is not known.
---@param model table
---@param usage table
---@return number|nil dollars
function M.cost(model, usage)
  local p = M.of(model)
  if not p then return nil end
  if p.above and usage.input + usage.cache_read + usage.cache_write > p.above then p = p.long end
  local sum = 0.0
  for _, kind in ipairs(KINDS) do sum = sum + usage[kind] * p[kind] end
  return sum / 1e6
end

return M
