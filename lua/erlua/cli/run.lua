-- cli/run.lua - erlua run STRATEGY [options]: a strategy by its name.

local host = require("erlua.core.host")
local fs = require("erlua.core.fs")
local session = require("erlua.session")
local sorted = require("erlua.lists").keys
local text = require("erlua.text")

local function names()
  local found = {}
  for path in pairs(fs.embedded("lua/strategies/")) do found[path:match("^(.*)%.lua$") or path] = true end
  for _, name in ipairs(fs.list("strategies") or {}) do
    if name:match("%.lua$") then found[name:match("^(.*)%.lua$")] = true end
  end
  return sorted(found)
end

local usage = "usage: erlua run STRATEGY [options]\n\nRuns strategies/STRATEGY.lua; `erlua run STRATEGY --help` lists its options.\n"

return function(argv)
  local name = argv[1]
  if not name or name == "--help" or name == "-h" then
    host.out(usage)
    return name and 0 or 2
  end
  local script, message = session.read_script("strategies/" .. name:gsub("%.lua$", "") .. ".lua")
  if not script then
    host.report(message .. text.instead(name, names()))
    return 1
  end
  return session.run(script, table.move(argv, 2, #argv, 1, {}))
end
