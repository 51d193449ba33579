-- cli/report.lua - erlua report STUDY: how a search went, also while it runs.

local args = require("erlua.cli.args")
local find = require("erlua.cli.find")
local report = require("erlua.report")

local usage = [[
usage: erlua report [STUDY] [--json]

The funnel, best and mean by epoch, diversity, the best trial and its diff.
STUDY is a study's folder or its study.db; without it the only one below
./studies. A search that runs is not disturbed.

  --json   the same as one JSON document
]]

return function(argv)
  local opt, code = args.parse(argv, usage, { ["--json"] = "flag" }, 1)
  if not opt then return code end
  local found
  found, code = find.study(opt[1], usage)
  if not found then return code end
  return find.using(found, function()
    report.print(found.store, found.dir, { json = opt.json })
    return 0
  end)
end
