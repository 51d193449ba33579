-- stop.lua - a study that has to end before its script does: the reason is said, what runs
-- goes on to its end, and the report shows how far it came.

local host = require("erlua.core.host")

local M = {}

local study, reason

---The study of this program.
---@param opened erlua.study
function M.of(opened) study = opened end

local function report(code)
  if code == 3 and study then require("erlua.report").print(study.store, study.dir, { json = study.opt.json }) end
  return code
end

---@param message string  why, and what a person can do
---@param when? "now"  else when nothing else is left to do
function M.study(message, when)
  if not reason then host.at_end(report) end
  reason = reason or message
  host.stop(message, when)
end

return M
