-- cli/trials.lua - erlua trials STUDY: lists, sorts and shows trials, prints their diffs.

local host = require("erlua.core.host")
local fs = require("erlua.core.fs")
local json = require("erlua.json")
local text = require("erlua.text")
local args = require("erlua.cli.args")
local find = require("erlua.cli.find")
local pages = require("erlua.page")
local trials = require("erlua.trials_data")

local usage = [[
usage: erlua trials [STUDY] [show ID | diff ID] [options]

  erlua trials STUDY            the trials as a table
  erlua trials STUDY show ID    one trial: idea, outcome, last lines of its jobs,
                                curves, metrics, diff
  erlua trials STUDY diff ID    its diff alone, for `patch -p1` or `git apply`

STUDY is a study's folder or its study.db; without it the only one below
./studies.

  --sort KEY      reward (the best first), id, wall_s (the longest first), epoch
  --reverse       the other way round
  --outcome NAME  only those that ended so: ok, crash, timeout, ... or open
  --top N         only the first N of the list
  --log           with show: the whole of the logs that are kept
  --json          as JSON
]]

local KNOWN = { ["--json"] = "flag", ["--reverse"] = "flag", ["--log"] = "flag", ["--top"] = "number",
  ["--sort"] = { "reward", "id", "wall_s", "epoch" },
  ["--outcome"] = { "ok", "no_idea", "refused", "no_change", "check_failed", "crash", "timeout", "oom", "disk", "flood",
    "launch_failed", "bad_metric", "tampered", "lost", "open" } }

local function known(v) if v ~= json.null then return v end return nil end

-- ---- the list -----------------------------------------------------------------------

local DESCENDING = { reward = true, wall_s = true }

-- A stable sort; trials without the value come last, whichever way round.
local function sort(list, key, reverse)
  local down = DESCENDING[key] ~= reverse
  table.sort(list, function(a, b)
    local x, y = known(a[key]), known(b[key])
    if x == nil or y == nil then return x ~= nil and y == nil end
    if down then return x > y end
    return x < y
  end)
end

local function chosen(list, opt)
  local out = {}
  for _, t in ipairs(list) do
    if not opt.outcome or (known(t.outcome) or "open") == opt.outcome then out[#out + 1] = t end
  end
  if opt.sort or opt.reverse then sort(out, opt.sort or "id", opt.reverse or false) end
  if opt.top then out = table.move(out, 1, math.min(opt.top, #out), 1, {}) end
  return out
end

local COLUMNS = { { title = "id", side = "left" }, { title = "epoch", side = "left", drop = 1 }, { title = "outcome" },
  { title = "reward", side = "left" }, { title = "wall", side = "left", drop = 2 }, { title = "idea", flex = true } }

local NOTED = table.move(COLUMNS, 1, #COLUMNS - 1, 1, {})
table.move({ { title = "note", drop = 3 }, COLUMNS[#COLUMNS] }, 1, 2, #NOTED + 1, NOTED)

-- What is to be known about a score, besides that it is one.
local function note_on(t)
  local out = {}
  if known(t.confirmed) ~= nil then out[1] = t.confirmed and "confirmed" or "not confirmed" end
  if known(t.review) then out[#out + 1] = "look at it" end
  return table.concat(out, ", ")
end

local function print_list(list)
  local rows, noted, untrusted = {}, false, 0
  for i, t in ipairs(list) do
    local wall = known(t.wall_s)
    rows[i] = { tostring(t.id), tostring(t.epoch), known(t.outcome) or "open", text.number(known(t.reward)),
      wall and pages.seconds(wall) or "-",
      note_on(t), ((known(t.idea) or "-"):match("%S[^\n]*") or "-") }
    noted = noted or rows[i][6] ~= ""
    untrusted = untrusted + (t.trusted and 0 or 1)
  end
  local page = pages.new()
  if not noted then
    for _, row in ipairs(rows) do table.remove(row, 6) end
  end
  page:grid(noted and NOTED or COLUMNS, rows)
  if untrusted > 0 then
    page:paragraph("untrusted: " .. text.count(untrusted, "score") .. " from outside the sandbox (--no-sandbox)")
  end
  page:print()
end

local function list(found, opt)
  local all = trials.list(found.store)
  local some = chosen(all, opt)
  if opt.json then host.out(json.encode(some) .. "\n")
  elseif #some > 0 then print_list(some)
  else host.out(#all == 0 and "no trials yet\n" or "no trial ended so\n") end
  return 0
end

-- ---- one trial ------------------------------------------------------------------------

local function show(found, id, opt)
  local t, message = trials.one(found.store, id)
  if not t then
    host.report(message .. " in " .. found.dir)
    return 1
  end
  if opt.json then
    host.out(json.encode(t) .. "\n")
    return 0
  end
  local page = pages.new()
  require("erlua.trial_page").add(page, t, { log = opt.log })
  page:print()
  return 0
end

local function diff(found, id, opt)
  local bytes, message = trials.diff(found.store, id)
  if not bytes then
    host.report(message)
    return 1
  end
  host.out(opt.json and json.encode(fs.clean(bytes)) .. "\n" or bytes)
  return 0
end

local VERBS = { show = show, diff = diff }

-- [STUDY] [VERB ID]: a word that names a verb is one, unless it is a folder.
local function read_words(opt)
  local words = { table.unpack(opt) }
  local study = not (VERBS[words[1]] and not fs.exists(words[1])) and table.remove(words, 1) or nil
  local verb, id = words[1], words[2]
  if verb and not VERBS[verb] then return nil, "'" .. text.clean(verb) .. "' is neither show nor diff" end
  if verb and not id then return nil, verb .. " needs the number of a trial" end
  local n = id and math.tointeger(tonumber(id))
  if id and not n then return nil, "'" .. text.clean(id) .. "' is not the number of a trial" end
  if words[3] then return nil, "unexpected argument '" .. text.clean(words[3]) .. "'" end
  return { study = study, verb = verb, id = n }
end

return function(argv)
  local opt, code = args.parse(argv, usage, KNOWN, 4)
  if not opt then return code end
  local words, message = read_words(opt)
  if not words then
    args.misuse(message, usage)
    return 2
  end
  local found
  found, code = find.study(words.study, usage)
  if not found then return code end
  return find.using(found, function()
    if words.verb then return VERBS[words.verb](found, words.id, opt) end
    return list(found, opt)
  end)
end
