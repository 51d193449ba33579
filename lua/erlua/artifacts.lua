-- artifacts.lua - the artifacts of the best ten trials stay; all others go.

local core = require("erlua.core.study")
local fs = require("erlua.core.fs")

local M = {}

local KEEP = 10

---Called when a trial is done, its row written and not yet committed.
---@param study erlua.study
---@param t erlua.trial
function M.keep(study, t)
  if not t.reward or study.how == "replayed" then return end
  local from = study.dir .. "/jobs/" .. t.jobs.train .. "/out"
  if not fs.exists(from) then return end                 -- kept already, before a kill
  local better = study.store:query("ranked_before", t.reward, t.id, KEEP)[1].n
  if better >= KEEP then return end
  fs.mkdirs(study.dir .. "/artifacts", 448)             -- 0700, as the folder they come from
  fs.remove(study.dir .. "/artifacts/" .. t.id)
  fs.rename(from, study.dir .. "/artifacts/" .. t.id)
  local last = study.store:query("rank", KEEP)[1]
  if last then core.after_commit(study.dir .. "/artifacts/" .. last.id) end
end

return M
