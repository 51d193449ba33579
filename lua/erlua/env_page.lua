-- env_page.lua - an environment as data and as a page: what may be edited, what scores it,
-- which commands run within which limits.

local inputs = require("erlua.env_inputs")
local json = require("erlua.json")
local text = require("erlua.text")
local pages = require("erlua.page")
local sorted = require("erlua.lists").keys

local M = {}

local LISTED = 12              -- files of a kind that are named

local function with_sizes(env, paths)
  local out = {}
  for i, path in ipairs(paths) do
    local bytes = env.files[path]
    out[i] = { path = path, bytes = bytes and #bytes or env.big[path].size }
  end
  return out
end

local function budget_of(env)
  return env.budget and { seconds = env.budget.seconds, clock = env.budget.cpu and "cpu" or "wall" } or json.null
end

---@param env erlua.env
---@param input? string  the text that was given
---@return table
function M.data(env, input)
  return {
    name = env.name, dir = env.dir or json.null, digest = env.digest, preset = env.preset or json.null,
    presets = sorted(env.presets), editable = with_sizes(env, sorted(env.pristine)),
    frozen = with_sizes(env, env.frozen_files),
    data = with_sizes(env, env.data_files), region = env.region or json.null, read = env.read,
    check = env.check_command or json.null, train = env.train_command, evaluate = env.evaluate_command,
    metric = env.metric, direction = env.direction, reward_function = env.has_reward, limits = json.object(env.limits),
    budget = budget_of(env), plausible = env.plausible or json.null,
    inputs = inputs.words(env, { text = input }) or json.null,
  }
end

local function files(page, label, list)
  if #list == 0 then return end
  local words = {}
  for i, f in ipairs(list) do
    if i > LISTED then
      words[i] = "… " .. #list - LISTED .. " more"
      break
    end
    words[i] = f.path .. " (" .. text.bytes(f.bytes) .. ")"
  end
  page:pair(label, table.concat(words, ", "))
end

local function command(page, label, argv)
  if argv == json.null then return end
  local words = {}
  for i, a in ipairs(argv) do words[i] = a:find("^[%w/._+=:@,-]+$") and a or "'" .. a:gsub("'", "'\\''") .. "'" end
  page:pair(label, table.concat(words, " "))
end

local SIZES = { memory = true, disk = true, output = true }
local COUNTS = { processes = "process", gpus = "GPU" }

local function limit_words(limits)
  local out = {}
  for _, name in ipairs { "wall", "cpu", "memory", "processes", "disk", "output", "gpus", "grace" } do
    local v = limits[name]
    if v and v > 0 then
      if COUNTS[name] then out[#out + 1] = text.count(v, COUNTS[name], name == "processes" and "processes" or nil)
      else out[#out + 1] = name .. " " .. (SIZES[name] and text.bytes(v) or text.duration(v)) end
    end
  end
  return table.concat(out, ", ")
end

local function bound_words(p, name, words) return p[name] and words .. " " .. text.number(p[name], 8) or "" end

---@param page erlua.page
---@param d table  from M.data
function M.add(page, d)
  page:title(d.name .. (d.preset ~= json.null and ", preset " .. d.preset or ""))
  page:pair("from", d.dir ~= json.null and pages.path(d.dir) or "erlua itself")
  files(page, "editable", d.editable)
  if d.region ~= json.null then page:pair("region", "between " .. d.region .. "-START and " .. d.region .. "-END") end
  files(page, "frozen", d.frozen)
  files(page, "data", d.data)
  if d.inputs ~= json.null then page:pair("inputs", d.inputs) end
  if #d.read > 0 then page:pair("read", table.concat(d.read, ", ")) end
  command(page, "check", d.check)
  command(page, "train", d.train)
  command(page, "evaluate", d.evaluate)
  page:pair("metric", d.metric .. ", the " .. (d.direction == "min" and "lower" or "higher") .. " the better; reward: "
    .. (d.reward_function and "a function of the metrics" or d.direction == "min" and "minus the metric" or "the metric"))
  if d.plausible ~= json.null then
    page:pair("plausible", bound_words(d.plausible, "min", "at least") .. (d.plausible.min and d.plausible.max and ", " or "")
      .. bound_words(d.plausible, "max", "at most"))
  end
  page:pair("limits", limit_words(d.limits))
  if d.budget ~= json.null then
    page:pair("budget", text.duration(d.budget.seconds) .. " of " .. d.budget.clock .. " time for training")
  end
  if #d.presets > 0 then page:pair("presets", table.concat(d.presets, ", ")) end
end

return M
