-- study_check.lua - before a study begins or goes on: can its models be asked, and its
-- calls be paid for?  What is found here costs nothing; found later it costs ideas.

local budgets = require("erlua.budget")
local ensemble = require("erlua.ensemble")
local specs = require("erlua.llm.spec")
local units = require("erlua.units")

local M = {}

local ROLES = { "ideator", "model", "implementer", "fallback" }

-- The user's table of prices may be wrong, too.
local function check_price(model, needed)
  local ok, price = pcall(require("erlua.llm.prices").of, model)
  if not ok then return nil, tostring(price) end
  if price or not needed then return true end
  return nil, "--budget: nobody knows what " .. model.spec .. " costs, so money cannot be counted. Write its price into "
    .. "~/.config/erlua/prices.lua (docs/models.md says how), or limit tokens=… or calls=… instead"
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
  for _, role in ipairs(ROLES) do
    local list, unused = {}, role == "model" and opt.ideator and opt.implementer
    if opt[role] and not unused then list, message = ensemble.parse(opt[role]) end
    if not list then return nil, "--" .. role .. " " .. message end
    for _, m in ipairs(list) do
      if role == "implementer" and m.spec:find("^builtin:") then
        return nil, "--implementer " .. m.spec .. ": it makes the changes of its own ideas alone; name a model that can be asked"
      end
      ok, message = M.model(m.spec, "--" .. role, limits)
      if not ok then return nil, message end
    end
  end
  return limits
end

return M
