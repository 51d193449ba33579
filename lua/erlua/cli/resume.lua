-- cli/resume.lua - erlua resume STUDY [options]: goes on with a study, from its own
-- copies of script, options and environment.

local host = require("erlua.core.host")
local core = require("erlua.core.study")
local session = require("erlua.session")
local files = require("erlua.study_files")
local snapshot = require("erlua.study_snapshot")

local usage = [[
usage: erlua resume STUDY [options]

Goes on with a study that was stopped or killed, with the script, options and
environment that it keeps. STUDY is its folder. Options of the strategy may be
given; --epochs may be raised.
]]

local function fail(message, code)
  host.report(message)
  return code or 1
end

return function(argv)
  local dir = argv[1]
  if not dir or dir == "--help" or dir == "-h" then
    host.out(usage)
    return dir and 0 or 2
  end
  dir = dir:gsub("/study%.db$", "")
  local found, message = files.read(dir)
  if not found then return fail(message) end
  found.store:close()
  local ok
  ok, message = core.lock(dir)
  if not ok then return fail(message) end
  found, message = files.read(dir, "write")
  if not found then return fail(message) end
  local changed = snapshot.changed_since(found)
  if #changed > 0 then
    host.report("since this study began there have been changes to " .. table.concat(changed, ", ")
      .. "; the study goes on with its own copies")
  end
  session.opened = found
  return session.run(snapshot.script(found), table.move(argv, 2, #argv, 1, {}))
end
