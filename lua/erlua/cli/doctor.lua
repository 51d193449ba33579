-- cli/doctor.lua - erlua doctor: what this machine offers, what is missing and what to do
-- about it; with a study, whether its file is whole.

local host = require("erlua.core.host")
local json = require("erlua.json")
local text = require("erlua.text")
local args = require("erlua.cli.args")
local find = require("erlua.cli.find")
local pages = require("erlua.page")
local machine = require("erlua.machine")

local usage = [[
usage: erlua doctor [STUDY] [--online [--model SPEC]...] [--json]

Says whether the sandbox works, how each limit is held, which GPUs, Slurm
commands and keys (by name only) there are, and which Lua sources are in use.
With STUDY, a study's folder or its study.db, its file is checked too. Exit code
1 when no job can run at all, the study is damaged or a model does not answer.

  --online       ask each model one tiny question, which may cost a fraction of
                 a cent: those of --model, else those of STUDY, else a cheap one
                 for each key that is set
  --model SPEC   a model to ask, such as openai:MODEL@http://host:8000/v1; may be
                 given several times
  --json         as JSON
]]

local WIDE = 14

local function known(v) if v ~= json.null then return v end return nil end

local function program(page, d)
  page:title("erlua " .. d.erlua)
  page:pair("program", pages.path(d.program), WIDE)
  local dir = known(d.sources.dir)
  if d.sources.from == "folder" then page:pair("Lua sources", pages.path(dir), WIDE)
  else page:pair("Lua sources", "embedded" .. (dir and ": " .. pages.path(dir) .. " holds no lua/erlua" or ""), WIDE) end
  page:pair("supervisor", known(d.supervise) and pages.path(d.supervise)
    or "missing: no job can run. Build erlua-supervise, or put it beside the program", WIDE)
end

local function hardware(page, d)
  page:title("This machine")
  page:pair("kernel", known(d.kernel) or "?", WIDE)
  page:pair("processors", tostring(known(d.cpus) or "?"), WIDE)
  page:pair("memory", known(d.memory) and text.bytes(d.memory) or "?", WIDE)
  local cards = {}
  for i, g in ipairs(d.gpus) do cards[i] = g.index .. ": " .. g.name .. ", " .. g.memory end
  page:pair("GPUs", #cards > 0 and cards or "none: " .. d.no_gpus, WIDE)
end

-- What the supervisor does where the kernel holds no limit for it.
local SUPERVISED = { wall = "its clock", output = "it owns the pipes", disk = "folder sizes, every 100 ms",
  cpu = "/proc, every 100 ms", memory = "/proc, every 100 ms", processes = "/proc, every 100 ms" }

local function held(name, means)
  if means == "supervisor" then return "by the supervisor: " .. SUPERVISED[name] end
  return means == "none" and "not held" or "by a " .. means
end

local function sandbox(page, d)
  page:title("Sandbox")
  page:pair("bubblewrap", known(d.sandbox.bubblewrap) or "not there: install the package bubblewrap", WIDE)
  page:pair("works", d.sandbox.works and "yes" or "no: " .. d.sandbox.reason, WIDE)
  page:title("Limits of a job")
  for _, name in ipairs(machine.LIMITS) do page:pair(name, held(name, d.limits[name]), WIDE) end
end

local function present(list, yes, names)
  local have, lack = {}, {}
  for _, name in ipairs(names) do
    local to = list[name] and have or lack
    to[#to + 1] = name
  end
  if #lack == 0 then return yes .. table.concat(have, ", ") end
  if #have == 0 then return "none of " .. table.concat(lack, ", ") end
  return yes .. table.concat(have, ", ") .. "; not " .. table.concat(lack, ", ")
end

local function beyond(page, d)
  page:title("Beyond this machine")
  page:pair("Slurm", present(d.slurm, "", machine.SLURM), WIDE)
  local words, any = {}, false
  for i, name in ipairs(machine.KEYS) do
    words[i] = name .. (d.keys[name] and " is set" or " is not set")
    any = any or d.keys[name]
  end
  if not any then words[#words + 1] = "without a key, builtin:mutate has the ideas" end
  page:pair("keys", words, WIDE)
end

local function online(page, list)
  page:title("Online")
  if #list == 0 then page:pair("models", "none was asked: no key is set, and no --model was given", WIDE) end
  for _, m in ipairs(list) do
    local words = m.works and "answers" .. (known(m.latency) and " in " .. text.duration(m.latency) or "")
      or "does not work: " .. m.reason
    page:pair(m.works and "yes" or "no", { m.model, words }, WIDE)
  end
end

local function all_work(list)
  for _, m in ipairs(list or {}) do
    if not m.works then return false end
  end
  return true
end

-- The study's file, or an exit code.
local function check_study(name)
  local found, code = find.study(name, usage)
  if not found then return nil, code end
  local ok, message = found.store:check()
  found.store:close()
  return { study = found.dir, whole = ok == true, reason = ok and json.null or message }, found.options
end

return function(argv)
  local opt, code = args.parse(argv, usage, { ["--json"] = "flag", ["--online"] = "flag", ["--model"] = "list" }, 1)
  if not opt then return code end
  if opt.model and not opt.online then return select(2, args.misuse("--model is asked with --online only", usage)) end
  if opt[1] and (opt[1]:find("^openai:") or opt[1]:find("^anthropic:")) then
    return select(2, args.misuse(opt[1] .. " is a model, not a study: write --online --model " .. opt[1], usage))
  end
  local study, options
  if opt[1] then
    study, options = check_study(opt[1])
    if not study then return options end                -- the exit code
  end
  local d = machine.look()
  d.study = study
  if opt.online then d.online = require("erlua.llm.online").check(opt.model, options) end
  if opt.json then
    host.out(json.encode(d) .. "\n")
  else
    local page = pages.new()
    program(page, d)
    hardware(page, d)
    sandbox(page, d)
    beyond(page, d)
    if study then
      page:title("Study")
      page:pair("file", pages.path(study.study .. "/study.db"), WIDE)
      page:pair("whole", study.whole and "yes" or "no: " .. study.reason, WIDE)
    end
    if d.online then online(page, d.online) end
    page:print()
  end
  return (known(d.supervise) and all_work(d.online) and (not study or study.whole)) and 0 or 1
end
