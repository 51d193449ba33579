-- nn_module.lua - modules: plain tables that can be called, and what is found by walking their fields.
--
-- A module's tensors are the fields of it and of the tables below it.  Those that ask for a gradient are
-- parameters, others are buffers.  A field whose name begins with "_" is not walked: caches go there.

local T = require("erlua.tensor")

local M = {}

---A class of modules: `Block(...)` makes one and calls its init, `block(...)` calls its forward.
---@param name string  shown by print
---@return table class  give it methods init and forward
function M.Module(name)
  if type(name) ~= "string" then error("nn.Module: the class's name is expected, got " .. type(name), 2) end
  local class = { __name = name }
  class.__index = class
  function class:__call(...)
    if not self.forward then error("the module " .. name .. " has no method forward, so it cannot be called", 2) end
    return self:forward(...)
  end
  function class:__tostring() return M.describe(self) end
  return setmetatable(class, {
    __call = function(_, ...)
      local module = setmetatable({ training = true }, class)
      if module.init then module:init(...) end
      return module
    end,
  })
end

-- The keys to walk: numbers ascending, then strings, so that the order is a matter of names alone.
local function sorted_keys(t)
  local keys, names = {}, {}
  for k, v in pairs(t) do
    local kind = type(v)
    if kind ~= "table" and kind ~= "userdata" then goto continue end
    if math.type(k) == "integer" then keys[#keys + 1] = k
    elseif type(k) == "string" and k:byte() ~= 95 then names[#names + 1] = k end          -- 95: "_"
    ::continue::
  end
  if #keys > 1 then table.sort(keys) end
  if #names > 1 then table.sort(names) end
  return table.move(names, 1, #names, #keys + 1, keys)
end

-- Calls visit(name, value, owner, key) for every tensor and every table below t; each table is entered once.
local function walk(t, prefix, visit, seen)
  seen[t] = true
  for _, k in ipairs(sorted_keys(t)) do
    local v = rawget(t, k)
    if type(v) == "table" then
      if not seen[v] then
        visit(prefix .. k, v, t, k)
        walk(v, prefix .. k .. ".", visit, seen)
      end
    elseif T.is_tensor(v) then
      visit(prefix .. k, v, t, k)
    end
  end
end

-- `level` is that of who is to blame for an m that is no module.
local function each(m, visit, level)
  if type(m) ~= "table" then
    error("a module is a table, got " .. (T.is_tensor(m) and "a tensor" or type(m)), level or 3)
  end
  walk(m, "", visit, {})
end

-- The tensors below m that `wanted` accepts, each once, under its first name.
local function named(m, wanted)
  local list, seen, taken = {}, {}, {}
  each(m, function(name, v)
    if type(v) == "table" or seen[v] or not wanted(v) then return end
    if taken[name] then error("two tensors of the module are called " .. name, 4) end
    seen[v], taken[name] = true, true
    list[#list + 1] = { name = name, tensor = v }
  end, 4)
  return list
end

local function is_parameter(x) return x.requires_grad and x:is_leaf() end
local function is_buffer(x) return not x.requires_grad end
local function is_state(x) return x:is_leaf() or not x.requires_grad end

---The parameters of a module with their dotted names, in the order of the names; a tied one is there once.
---@param m table
---@return {name: string, tensor: erlua.tensor}[]
function M.named_parameters(m)
  local list = named(m, is_parameter)
  return list
end

---The tensors of a module that ask for no gradient.
---@param m table
---@return {name: string, tensor: erlua.tensor}[]
function M.named_buffers(m)
  local list = named(m, is_buffer)
  return list
end

---The parameters alone, for an optimiser.
---@param m table
---@return erlua.tensor[]
function M.parameters(m)
  local list = {}
  for i, p in ipairs(named(m, is_parameter)) do list[i] = p.tensor end
  return list
end

---How many numbers the parameters hold, and how many the buffers.
---@param m table
---@return integer parameters, integer buffers
function M.count(m)
  local n = { 0, 0 }
  for i, list in ipairs { named(m, is_parameter), named(m, is_buffer) } do
    for _, p in ipairs(list) do n[i] = n[i] + p.tensor:numel() end
  end
  return n[1], n[2]
end

---Sets the field `training` of a module and of all modules in it.
---@param m table
---@param on boolean?  true unless told
---@return table m
function M.train(m, on)
  on = on ~= false
  each(m, function(_, v)
    if type(v) == "table" and getmetatable(v) then v.training = on end
  end)
  m.training = on
  return m
end

---Converts the floating tensors of a module; parameters stay parameters, tied ones tied.  Optimisers are made after it.
---@param m table
---@param dtype string
---@return table m
function M.to(m, dtype)
  local made, places = {}, {}
  each(m, function(_, v, owner, key)
    if type(v) == "table" or v.dtype ~= "f32" and v.dtype ~= "bf16" then return end
    made[v] = made[v] or v:detach():to(dtype):requires_grad_(v.requires_grad)
    places[#places + 1] = { owner, key, made[v] }
  end)
  for _, place in ipairs(places) do rawset(place[1], place[2], place[3]) end
  return m
end

---Parameters and buffers by name: the tensors themselves, no copies.
---@param m table
---@return table<string, erlua.tensor>
function M.state_dict(m)
  local dict = {}
  for _, p in ipairs(named(m, is_state)) do dict[p.name] = p.tensor end
  return dict
end

local function shape(x) return "(" .. table.concat(x.shape, ", ") .. ") " .. x.dtype end

local function few(names)
  table.sort(names)
  local n = #names
  return table.concat(names, ", ", 1, math.min(n, 8)) .. (n > 8 and (" and %d more"):format(n - 8) or "")
end

local function is_float(x) return x.dtype == "f32" or x.dtype == "bf16" end

-- What of the module is not in the dict, what of the dict is not in the module, and which shapes differ.
local function compare(own, dict)
  local missing, extra, wrong = {}, {}, {}
  for name, x in pairs(own) do
    local y = dict[name]
    if y == nil then missing[#missing + 1] = name
    elseif not T.is_tensor(y) then wrong[#wrong + 1] = name .. " is no tensor"
    elseif table.concat(x.shape, ",") ~= table.concat(y.shape, ",") or is_float(x) ~= is_float(y) then
      wrong[#wrong + 1] = ("%s is %s here and %s there"):format(name, shape(x), shape(y))
    end
  end
  for name in pairs(dict) do
    if own[name] == nil then extra[#extra + 1] = tostring(name) end
  end
  return missing, extra, wrong
end

---Copies the tensors of a dict into those of a module; nothing is copied if names or shapes do not agree.
---@param m table
---@param dict table<string, erlua.tensor>
---@param options {strict: boolean}?  strict = false: names on one side only are left alone
---@return string[] missing, string[] extra  names that the dict lacks; names that the module lacks
function M.load_state_dict(m, dict, options)
  if type(dict) ~= "table" then error("load_state_dict: tensors by name are expected, got a " .. type(dict), 2) end
  local own = M.state_dict(m)
  local missing, extra, wrong = compare(own, dict)
  local strict = not (options and options.strict == false)
  local faults = {}
  if strict and #missing > 0 then faults[#faults + 1] = "missing: " .. few(missing) end
  if strict and #extra > 0 then faults[#faults + 1] = "not in the module: " .. few(extra) end
  if #wrong > 0 then faults[#faults + 1] = few(wrong) end
  if #faults > 0 then error("this state does not fit the module; " .. table.concat(faults, "; "), 2) end
  T.no_grad(function()
    for name, x in pairs(own) do
      if dict[name] then x:copy_(dict[name]) end
    end
  end)
  return missing, extra
end

---A module in words: its parameters and buffers with their shapes, and how many numbers they are.
---@param m table
---@return string
function M.describe(m)
  local lines = { (getmetatable(m) or {}).__name or "module" }
  for _, p in ipairs(named(m, is_state)) do
    lines[#lines + 1] = ("  %s %s%s"):format(p.name, shape(p.tensor), p.tensor.requires_grad and "" or ", buffer")
  end
  lines[#lines + 1] = ("  %d parameters, %d in buffers"):format(M.count(m))
  return table.concat(lines, "\n")
end

return M
