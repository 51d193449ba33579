-- job_folders.lua - the jobs of a study whose engine is gone, or another one: which of its
-- folders hold a running job, and ending them.

local fs = require("erlua.core.fs")
local job = require("erlua.core.job")

local M = {}

---Asks every running job of a study to end; says which were running.
---@param dir string  the study's folder
---@return string[] folders
---@return string[] problems  of jobs that may not be ended
function M.cancel(dir)
  local out, problems = {}, {}
  for _, name in ipairs(fs.list(dir .. "/jobs") or {}) do
    local folder = dir .. "/jobs/" .. name
    local was, message = job.cancel(folder)
    if was then out[#out + 1] = folder end
    if was == nil then problems[#problems + 1] = message end
  end
  return out, problems
end

return M
