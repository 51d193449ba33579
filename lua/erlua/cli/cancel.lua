-- cli/cancel.lua - erlua cancel STUDY: ends the jobs that an engine left running, so that
-- nothing of the study runs on this machine any more.

local host = require("erlua.core.host")
local core = require("erlua.core.study")
local task = require("erlua.core.task")
local fs = require("erlua.core.fs")
local json = require("erlua.json")
local text = require("erlua.text")
local args = require("erlua.cli.args")
local find = require("erlua.cli.find")
local folders = require("erlua.job_folders")

local usage = [[
usage: erlua cancel STUDY [--json]

Ends the running jobs of a study without a resume, whether its engine is gone or
still there. Without an engine their trials stay open, and `erlua resume STUDY`
runs them again. An engine that is there goes on with its next trials; stop it
with Ctrl-C instead.

  --json   as JSON
]]

local PATIENCE = 30            -- seconds; a supervisor needs its job's grace and a moment

-- Waits until every claim is free; asking again changes nothing for a job that is ending.
local function wait_for_end(dir)
  local until_ = task.clock() + PATIENCE
  local left = folders.cancel(dir)
  while #left > 0 and task.clock() < until_ do
    task.sleep(0.05)
    left = folders.cancel(dir)
  end
  return left
end

local function tell(ended, left, alone, opt)
  if opt.json then
    host.out(json.encode { cancelled = ended, still_running = left, engine = not alone } .. "\n")
    return
  end
  if ended + left == 0 then host.out("no job of this study is running\n") end
  if ended > 0 then
    host.out(text.count(ended, "job") .. " ended" .. (alone and "; the trials stay open, and `erlua resume` runs them again\n"
      or "; the study's engine is still there and goes on\n"))
  end
  if left > 0 then host.report(text.count(left, "job") .. " did not end within " .. PATIENCE .. " s") end
end

return function(argv)
  local opt, code = args.parse(argv, usage, { ["--json"] = "flag" }, 1)
  if not opt then return code end
  if not opt[1] then return select(2, args.misuse("which study?", usage)) end
  local found
  found, code = find.study(opt[1], usage)
  if not found then return code end
  found.store:close()
  local alone = core.lock(found.dir)           -- none can start while its jobs are ended
  local running, problems = folders.cancel(found.dir)
  local left = wait_for_end(found.dir)
  if alone and #left == 0 then
    for _, folder in ipairs(running) do fs.remove(folder) end
  end
  if alone then core.unlock() end
  for _, message in ipairs(problems) do host.report(message) end
  tell(#running - #left, #left, alone, opt)
  return (#left > 0 or #problems > 0) and 1 or 0
end
