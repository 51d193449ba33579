-- init.lua - the one global, `erlua`: its public names in reading order.
-- Modules load at the first use of a name in them, so that a training script that
-- needs none of this starts as fast as plain Lua.

local task = require("erlua.core.task")

local M = {}

-- name -> module, or { module, field }
local LAZY = {
  options = { "erlua.session", "options" },
  study   = { "erlua.study", "open" },
  env     = { "erlua.env", "load" },
  patch   = "erlua.patch",
  llm     = { "erlua.llm", "new" },
  job     = { "erlua.job", "start" },
  exec    = "erlua.core.exec",
  http    = { "erlua.http", "request" },
  map     = { "erlua.tasks", "map" },
  each    = { "erlua.tasks", "each" },
  timeout = { "erlua.tasks", "timeout" },
  restricted = { "erlua.restricted", "open" },
  json    = "erlua.json",
  show    = { "erlua.show", "value" },
  random  = { "erlua.tasks", "random" },
  tensor  = "erlua.tensor",
  nn      = "erlua.nn",
  optim   = "erlua.optim",
  safetensors = "erlua.safetensors",
  data    = "erlua.data",
}

---Starts fn in a task of its own; it runs at the next wait of the caller.
---@param fn function
---@param ... any  its arguments
---@return erlua.task task  with :wait() -> true, results… | false, error and :cancel()
M.spawn = task.spawn

---Waits; other tasks and jobs go on meanwhile.
---@param seconds number
M.sleep = function(seconds) return task.sleep(seconds) end

---Lets the other tasks that could run go first; costs next to nothing.
M.pause = task.pause

---The time of day in seconds since 1970, journaled: a resumed study reads the same.
---@return number
M.now = task.now

---What is left of the job's budget, by its clock ($ERLUA_BUDGET_CLOCK): CPU seconds of this process and of children
---it has waited for, or seconds since it began.  Below 0 when it is used up; math.huge without a budget.
---@return number seconds
M.time_left = task.time_left

---Runs fn once in the life of a study and records what it returns; a resumed or
---replayed study is handed the record.  For whatever else comes from outside.
---@param fn fun(): ...  results must have a JSON form
---@return ...
M.once = task.once

M.version = require("erlua.core.host").version()

return setmetatable(M, {
  __index = function(t, name)
    local where = LAZY[name]
    if not where then
      error("there is no erlua." .. tostring(name) .. "; the names are in docs/api.md, or try help() at the prompt", 2)
    end
    local v
    if type(where) == "string" then v = require(where) else v = require(where[1])[where[2]] end
    rawset(t, name, v)
    return v
  end,
  __names = LAZY,
})
