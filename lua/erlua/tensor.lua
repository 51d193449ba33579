-- tensor.lua - tensors: the operators of the engine, and what is pleasant around them.

local core = require("erlua.core.tensor")

local M = core                   -- every operator is a function here and a method of tensors

-- A function, or what can be called like one, as a module can.
local function check_callable(name, fn)
  local meta = type(fn) ~= "function" and getmetatable(fn)
  if type(fn) == "function" or type(meta) == "table" and meta.__call then return end
  error(name .. " takes a function and its arguments, got " .. (core.is_tensor(fn) and "a tensor" or type(fn)), 3)
end

-- Runs fn with gradients on or off; the mode comes back however fn ends.
local function in_mode(on, fn, ...)
  local was = core.set_grad_enabled(on)
  local _ <close> = setmetatable({}, { __close = function() core.set_grad_enabled(was) end })
  return fn(...)
end

---Runs fn without recording gradients.
---@param fn function
---@param ... any  its arguments
---@return ...
function M.no_grad(fn, ...)
  check_callable("no_grad", fn)
  return in_mode(false, fn, ...)
end

---Runs fn with gradients recorded, inside a no_grad.
---@param fn function
---@param ... any  its arguments
---@return ...
function M.enable_grad(fn, ...)
  check_callable("enable_grad", fn)
  return in_mode(true, fn, ...)
end

local open = core.scope

---Runs fn; every tensor made in it is freed at its end, except those it returns (tables are looked
---through) or :keep()s.  Without fn: a scope to close, `local s <close> = erlua.tensor.scope()`.
---@param fn function?
---@param ... any  its arguments
---@return ...
function M.scope(fn, ...)
  if fn == nil then return open() end
  check_callable("scope", fn)
  local s <close> = open()
  return s:keep(fn(...))
end

return M
