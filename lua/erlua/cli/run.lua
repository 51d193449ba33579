-- cli/run.lua - erlua run STRATEGY [options]: a strategy by its name.

local host = require("erlua.core.host")
local session = require("erlua.session")

local usage = "usage: erlua run STRATEGY [options]\n\nRuns strategies/STRATEGY.lua; `erlua run STRATEGY --help` lists its options.\n"

return function(argv)
  local name = argv[1]
  if not name or name == "--help" or name == "-h" then
    host.out(usage)
    return name and 0 or 2
  end
  local script, message = session.read_script("strategies/" .. name:gsub("%.lua$", "") .. ".lua")
  if not script then
    host.report(message)
    return 1
  end
  return session.run(script, table.move(argv, 2, #argv, 1, {}))
end
