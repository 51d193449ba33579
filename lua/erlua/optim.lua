-- optim.lua - optimisers over parameter groups, and schedules of the learning rate.
--
-- The arithmetic of a step is one call of the engine for many parameters.  State is made with the optimiser, not at
-- the first step, so that a step inside a scope makes nothing that must outlive it.

local T = require("erlua.tensor")

local M = {}

for name, schedule in pairs(require("erlua.optim_schedules")) do M[name] = schedule end

local Optimizer = {}
Optimizer.__index = Optimizer

-- What is wrong with the options of an optimiser or of a group, in words; nil if nothing is.
local function wrong_options(kind, what, given)
  for k, v in pairs(given) do
    local default = kind.defaults[k]
    if default == nil then
      return ("%s has no '%s'; there are %s"):format(what, tostring(k), kind.options)
    elseif type(v) ~= type(default) then
      return ("%s of %s is a %s, got %s"):format(k, what, type(default), type(v))
    elseif type(v) == "table" and not (#v == 2 and math.type(v[1]) and math.type(v[2])) then
      return ("%s of %s is two numbers"):format(k, what)
    end
  end
end

local function wrong_parameter(kind, p)
  if not T.is_tensor(p) then return "is no tensor" end
  if not (p.requires_grad and p:is_leaf()) then return "asks for no gradient" end
  if kind.matrices and p:dim() ~= 2 then
    return ("is of (%s) %s; it steps matrices only, give others to AdamW"):format(table.concat(p.shape, ", "), p.dtype)
  end
end

-- The state of one parameter: how many steps it has taken, its moments, and f32 weights where it is of bf16.
local function new_state(kind, p)
  local state = { age = 0 }
  for _, name in ipairs(kind.moments) do state[name] = T.zeros_like(p, { dtype = "f32" }) end
  if p.dtype ~= "f32" then state.master = p:detach():to("f32") end
  return state
end

-- Takes a group in: its own table, whose options may be written.  Says what is wrong with it, if anything is.
local function add_group(self, g, given)
  local what, group = "group " .. g, {}
  if type(given) ~= "table" or type(given.params) ~= "table" then return what .. " has no list params" end
  for k, v in pairs(given) do
    if k ~= "params" then group[k] = v end
  end
  local wrong = wrong_options(self.kind, what, group)
  if wrong then return wrong end
  group.params = table.move(given.params, 1, #given.params, 1, {})
  for i, p in ipairs(group.params) do
    wrong = self.state[p] and "is there twice" or wrong_parameter(self.kind, p)
    if wrong then return ("parameter %d of %s %s"):format(i, what, wrong) end
    self.state[p] = new_state(self.kind, p)
  end
  self.groups[g] = group
end

-- Gives all it is told to self, or says what is wrong.
local function build(self, params, options)
  if type(options) ~= "table" then return "options are a table, got " .. type(options) end
  local wrong = wrong_options(self.kind, "the table of options", options)
  if wrong then return wrong end
  for name, default in pairs(self.kind.defaults) do
    local v = options[name]
    if v == nil then v = default end
    self[name] = type(v) == "table" and { v[1], v[2] } or v       -- our own, for it may be written
  end
  if type(params) ~= "table" or #params == 0 then
    return "a list of parameters or of groups is expected, and it is not empty"
  end
  local groups = T.is_tensor(params[1]) and { { params = params } } or params
  for g, given in ipairs(groups) do
    wrong = add_group(self, g, given)
    if wrong then return wrong end
  end
end

local function new(kind, params, options)
  local self = setmetatable({ kind = kind, groups = {}, state = {}, lr_factor = 1 }, Optimizer)
  local wrong = build(self, params, options or {})
  if wrong then error(kind.name .. ": " .. wrong, 2) end         -- tail-called: 2 is the caller of AdamW
  return self
end

-- The parameters of a group that have a gradient, in lists of one age and one dtype, which the engine takes at a time.
-- A parameter's age counts from its first gradient.
local function lists_of(self, group)
  local lists, by_key = {}, {}
  for _, p in ipairs(group.params) do
    if p.grad then
      local s = self.state[p]
      local key = s.master and -s.age or s.age + 1
      local list = by_key[key]
      if not list then
        list = { age = s.age + 1, p = {}, m = {}, v = {}, master = s.master and {} }
        by_key[key], lists[#lists + 1] = list, list
      end
      local n = #list.p + 1
      list.p[n], list.m[n], list.v[n] = p, s.m, s.v
      if s.master then list.master[n] = s.master end
    end
  end
  return lists
end

---Changes the parameters that have a gradient.
function Optimizer:step()
  for _, group in ipairs(self.groups) do
    local o = setmetatable({}, { __index = function(_, name)
      if group[name] ~= nil then return group[name] end
      return self[name]
    end })
    for _, list in ipairs(lists_of(self, group)) do
      self.kind.apply(list, o, o.lr * self.lr_factor)
      for _, p in ipairs(list.p) do self.state[p].age = list.age end
    end
  end
end

---Forgets all gradients.
function Optimizer:zero_grad()
  for _, group in ipairs(self.groups) do T.zero_grad(group.params) end
end

-- The states of all parameters, in order.
local function states(self)
  local list = {}
  for _, group in ipairs(self.groups) do
    for _, p in ipairs(group.params) do list[#list + 1] = self.state[p] end
  end
  return list
end

---All that a resumed run needs to go on bit for bit; rates and other options are the script's.
---@return table<string, erlua.tensor>  the tensors themselves, no copies, and how many steps each parameter has taken
function Optimizer:state_dict()
  local dict, ages = {}, {}
  for i, s in ipairs(states(self)) do
    ages[i] = s.age
    for _, field in ipairs { "m", "v", "master" } do dict[i .. "." .. field] = s[field] end
  end
  dict.ages = T.tensor(ages, { dtype = "i32" })
  return dict
end

-- What of a state does not fit, in words; nil if all does.
local function wrong_state(self, dict)
  if type(dict) ~= "table" then return "tensors by name are expected, got a " .. type(dict) end
  local own = self:state_dict()
  for name, x in pairs(own) do
    local y = dict[name]
    local fits = T.is_tensor(y) and y.dtype == x.dtype and table.concat(y.shape, ",") == table.concat(x.shape, ",")
    if not fits then
      return name .. (y == nil and " is missing" or " is of another shape or dtype")
    end
  end
  for name in pairs(dict) do
    if own[name] == nil then return "it has " .. tostring(name) end
  end
  if dict.ages:lt(0):sum():item() > 0 then return "its ages are below 0" end
end

---Takes the state of an optimiser over the same parameters in the same order; nothing changes if it does not fit.
---@param dict table<string, erlua.tensor>
function Optimizer:load_state_dict(dict)
  local wrong = wrong_state(self, dict)
  if wrong then error(("%s: this state is another optimiser's: %s"):format(self.kind.name, wrong), 2) end
  local ages = dict.ages:tolist()
  for name, x in pairs(self:state_dict()) do x:copy_(dict[name]) end
  for i, s in ipairs(states(self)) do s.age = ages[i] end
end

-- ---- the optimisers ------------------------------------------------------------------------------------

local ADAMW = {
  name = "AdamW", options = "lr, betas, eps, weight_decay", moments = { "m", "v" },
  defaults = { lr = 1e-3, betas = { 0.9, 0.95 }, eps = 1e-8, weight_decay = 0.01 },
  apply = function(list, o, lr)
    T.adamw_step(list.p, list.m, list.v, list.master, {
      lr = lr, beta1 = o.betas[1], beta2 = o.betas[2], eps = o.eps, weight_decay = o.weight_decay, step = list.age })
  end,
}

local SGD = {
  name = "SGD", options = "lr, momentum, dampening, weight_decay, nesterov", moments = { "m" },
  defaults = { lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0, nesterov = false },
  apply = function(list, o, lr)
    T.sgd_step(list.p, o.momentum ~= 0 and list.m or nil, list.master, {
      lr = lr, momentum = o.momentum, dampening = o.dampening, weight_decay = o.weight_decay, nesterov = o.nesterov,
      first = list.age == 1 })
  end,
}

local MUON = {
  name = "Muon", options = "lr, momentum, weight_decay, nesterov, steps", moments = { "m" }, matrices = true,
  defaults = { lr = 0.02, momentum = 0.95, weight_decay = 0, nesterov = true, steps = 5 },
  apply = function(list, o, lr)
    T.muon_step(list.p, list.m, list.master, {
      lr = lr, momentum = o.momentum, weight_decay = o.weight_decay, nesterov = o.nesterov, steps = o.steps })
  end,
}

---Adam with decoupled weight decay: lr (1e-3), betas ({0.9, 0.95}), eps (1e-8), weight_decay (0.01).
---@param params table  parameters, or groups { params = {...}, lr = , ... } whose options come before the optimiser's
---@param options table?
---@return erlua.optimizer opt  lr, lr_factor and groups[i].lr may be written at any time
function M.AdamW(params, options) return new(ADAMW, params, options) end

---Gradient descent: lr (1e-3), momentum (0), dampening (0), weight_decay (0), nesterov (false).
---@param params table
---@param options table?
---@return erlua.optimizer
function M.SGD(params, options) return new(SGD, params, options) end

---Momentum made orthogonal, for matrices: lr (0.02), momentum (0.95), weight_decay (0), nesterov (true), steps (5).
---@param params table
---@param options table?
---@return erlua.optimizer
function M.Muon(params, options) return new(MUON, params, options) end

---Scales the gradients so that their norm is at most max.
---@param params erlua.tensor[]
---@param max number
---@return number norm  before
M.clip_grad_norm = T.clip_grad_norm_

return M
