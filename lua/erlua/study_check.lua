-- study_check.lua - before a study begins or goes on: can its models be asked, and its
-- calls be paid for?  What is found here costs nothing; found later it costs ideas.

local budgets = require("erlua.budget")
local ensemble = require("erlua.ensemble")
local specs = require("erlua.llm.spec")
local units = require("erlua.units")

local M = {}

-- The options that name models; `models` is one that a script may declare for more of them.
M.ROLES = { "ideator", "model", "implementer", "fallback", "models" }

-- The user's table of prices may be wrong, too.
local function check_price(model, needed)
  local prices = require("erlua.llm.prices")
  local ok, price = pcall(prices.of, model)
  if not ok then return nil, tostring(price) end
  if price or not needed then return true end
  return nil, prices.unknown(model)
end

local function check_key(model)
  local _, message = require("erlua.llm.key").of(model)
  if message then return nil, message .. ". Set it, or choose another model; builtin:mutate needs no key" end
  return true
end

---One model.
---@param spec string
---@param role string  how it was named
---@param limits table  of the budget
---@return boolean|nil ok
---@return string? message
function M.model(spec, role, limits)
  local model, message = specs.parse(spec)
  if not model then return nil, role .. " " .. message end
  if model.provider == "builtin" then return true end
  local ok
  ok, message = check_price(model, limits.cost ~= nil)
  if ok then ok, message = check_key(model) end
  return ok, message
end

-- "low", "2000" or nothing.
local function check_thinking(v)
  if v == nil or require("erlua.llm.models").is_thinking(math.tointeger(tonumber(v)) or v) then return true end
  return nil, "--thinking is a number of tokens, or one of low, medium, high, xhigh, max, off; not " .. v
end

-- What a role cannot be, whatever its models are.
local function check_role(role, list)
  local builtin = false
  for _, m in ipairs(list) do builtin = builtin or m.spec:find("^builtin:") ~= nil end
  if role == "implementer" and builtin then
    return nil, "--implementer builtin:mutate: it makes the changes of its own ideas alone; name a model that can be asked"
  end
  if role == "fallback" and (builtin or #list > 1 or list[1].weight ~= 1) then
    return nil, "--fallback is one model that can be asked, such as openai:MODEL, without a weight"
  end
  return true
end

-- Which options of a study name models that will be asked.
local function is_used(opt, role)
  if role == "model" and opt.ideator and opt.implementer then return false end
  if role == "models" and opt.models == "" then return false end
  return type(opt[role]) == "string"
end

local function check_models(opt, role, limits)
  local list, message = ensemble.parse(opt[role])
  if not list then return nil, "--" .. role .. " " .. message end
  local ok
  ok, message = check_role(role, list)
  for _, m in ipairs(list) do
    if ok then ok, message = M.model(m.spec, "--" .. role, limits) end
  end
  return ok, message
end

---@param opt table  the study's options
---@return table|nil limits  of its budget
---@return string? message
function M.options(opt)
  local limits, message = budgets.parse(opt.budget)
  if not limits then return nil, message end
  local patience, wrong = units.seconds(opt.patience or "6h")
  if not patience then return nil, "--patience " .. wrong end
  local ok
  ok, message = check_thinking(opt.thinking)
  if not ok then return nil, message end
  for _, role in ipairs(M.ROLES) do
    if is_used(opt, role) then ok, message = check_models(opt, role, limits) end
    if not ok then return nil, message end
  end
  return limits
end

return M
