-- cli/replay.lua - erlua replay STUDY: runs the strategy again from its journal alone, into
-- an empty study, and compares every byte of what comes out.

local host = require("erlua.core.host")
local core = require("erlua.core.study")
local fs = require("erlua.core.fs")
local json = require("erlua.json")
local session = require("erlua.session")
local files = require("erlua.study_files")
local snapshot = require("erlua.study_snapshot")
local args = require("erlua.cli.args")

local usage = [[
usage: erlua replay STUDY [--keep FILE]

Runs the study's own script again, without models and jobs: every answer comes
from the journal. Then compares all tables, the trials and the report with those
of the study, byte for byte. Exit code 0 if they are equal, 1 with the first
difference if not.

  --keep FILE   leave the copy in FILE
]]

local function fail(message)
  host.report(message)
  return 1
end

local function first_difference(a, b)
  local i = 1
  local next_a, next_b = a:gmatch("([^\n]*)\n?"), b:gmatch("([^\n]*)\n?")
  while true do
    local x, y = next_a(), next_b()
    if x ~= y then return i, x or "(the end)", y or "(the end)" end
    if x == nil then return nil end
    i = i + 1
  end
end

-- What is compared, as text: all tables, and what people and scripts read of them.
local function views(store, dir)
  local report = require("erlua.report")
  local trials = require("erlua.trials_data")
  return {
    { "tables", store:dump() },
    { "trials --json", json.encode(trials.list(store)) },
    { "report --json", json.encode(report.data(store, dir)) },
  }
end

local function compare(source, copy, dir)
  local want, got = views(source, dir), views(copy, dir)
  for i, view in ipairs(want) do
    if view[2] ~= got[i][2] then
      local line, a, b = first_difference(view[2], got[i][2])
      host.report(string.format("the replay differs from the study in its %s, line %s:\n  study:  %s\n  replay: %s",
        view[1], line, a:sub(1, 300), b:sub(1, 300)))
      return 1
    end
  end
  local n = source:query("effect_count")[1].n
  host.out("replayed " .. n .. " effects: tables, trials and report are equal, byte for byte\n")
  return 0
end

local NAMELESS = ""          -- SQLite's own temporary file, which nobody has to remove

return function(argv)
  local opt, code = args.parse(argv, usage, { ["--keep"] = "file" }, 1)
  if not opt then return code end
  local dir, keep = opt[1], opt.keep
  if not dir then return select(2, args.misuse("which study?", usage)) end
  local found, message = files.read(dir)
  if not found then return fail(message) end
  if keep and fs.exists(keep) then return fail(keep .. " exists; choose another name for --keep") end
  local copy
  copy, message = core.open(keep or NAMELESS, "create")
  if not copy then return fail(message) end
  local ok
  ok, message = copy:copy_given(found.dir .. "/study.db")
  if ok then              -- which a running engine may have changed since the study was read
    ok, message = copy:change("studies", { id = 1, state = found.row.state, options = found.row.options })
  end
  if not ok then return fail(message) end
  session.opened = { dir = found.dir, store = copy, row = found.row, options = found.options, source = found.store }
  host.at_end(function(ended)
    return ended == 0 and compare(found.store, copy, found.dir) or ended
  end)
  return session.run(snapshot.script(found), {})
end
