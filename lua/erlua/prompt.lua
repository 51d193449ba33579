-- prompt.lua - the prompts: templates with {{name}}, one file each below prompts/.  A copy
-- in the working folder wins over erlua's own; a study keeps those that it began with.

local fs = require("erlua.core.fs")
local text = require("erlua.text")

local M = {}

-- What each template may hold.
M.NAMES = {
  environment = { "name", "about", "metric", "direction", "check", "train", "evaluate", "budget", "wall", "memory", "gpus",
    "editable", "region", "frozen", "code" },
  first       = { "n", "avoid", "side", "again", "answer" },
  explore     = { "n", "baseline", "tried", "avoid", "side", "again", "answer" },
  exploit     = { "n", "baseline", "parents", "best", "avoid", "side", "again", "answer" },
  avoid       = { "ideas" },
  side        = { "part", "parts" },
  again       = { "why" },
  answer      = { "n", "builds_on" },
  builds_on   = {},
  best        = { "changes" },
  implement   = { "idea", "parents", "region" },
  parents     = { "changes" },
  revise      = { "reason" },
  check       = { "command", "reason", "log" },
  crash       = { "outcome", "stage", "reason", "log" },
}

local sorted = require("erlua.lists").keys

-- The first name of a template that it may not hold.
local function unknown_name(template, known)
  local names = {}
  for _, name in ipairs(known) do names[name] = true end
  for name in template:gmatch("{{%s*([%w_]+)%s*}}") do
    if not names[name] then return name end
  end
end

local function check(name, template, where)
  local stray = unknown_name(template, M.NAMES[name])
  if not stray then return true end
  local near = text.nearest(stray, M.NAMES[name])
  local may = #M.NAMES[name] > 0 and "it may hold " .. table.concat(M.NAMES[name], ", ") or "it may hold no name"
  return nil, where .. ": {{" .. stray .. "}} is not known here"
    .. (near and "; did you mean {{" .. near .. "}}?" or "; " .. may), "EINVAL"
end

local function read_one(name)
  local where = "prompts/" .. name .. ".md"
  if fs.exists(where) then return where, fs.read(where) end
  return "lua/" .. where, fs.own("lua/" .. where)
end

---The source of one template, as it counts here and now; nil if it cannot be read.
---@param name string
---@return string|nil
function M.source(name) return M.NAMES[name] and select(2, read_one(name)) or nil end

---The source of every template.
---@return table<string, string>|nil templates  name -> text
---@return string? message
---@return string? code
function M.all()
  local out = {}
  for _, name in ipairs(sorted(M.NAMES)) do
    local where, template, code = read_one(name)
    if not template then return nil, where .. ": " .. tostring(code), "ENOENT" end
    if not utf8.len(template) then return nil, where .. " is not UTF-8 text", "EINVAL" end
    local ok, message
    ok, message, code = check(name, template, where)
    if not ok then return nil, message, code end
    out[name] = template
  end
  return out
end

local function filled(line, values)
  local empty = false
  local new = line:gsub("{{%s*([%w_]+)%s*}}", function(name)
    local v = values[name]
    if v == nil then error("bug: the prompt's {{" .. name .. "}} was not given", 0) end
    empty = empty or v == ""
    return tostring(v)
  end)
  return new, empty
end

---A template with its names replaced.  A line with a name that has no value goes, and no more
---than one empty line is left in its place.
---@param template string
---@param values table<string, string|number>
---@return string
function M.fill(template, values)
  local out, gone = {}, false
  for line in (template .. "\n"):gmatch("(.-)\r?\n") do
    local new, empty = filled(line, values)
    if empty then gone = true
    elseif not (gone and new == "" and (out[#out] or "") == "") then
      out[#out + 1], gone = new, false
    end
  end
  while out[#out] == "" do out[#out] = nil end
  return table.concat(out, "\n")
end

return M
