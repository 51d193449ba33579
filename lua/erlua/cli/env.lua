-- cli/env.lua - erlua env NAME|DIR: checks an environment, shows it, and runs its baseline
-- as a study would, in a study of its own that goes when it is done.

local host = require("erlua.core.host")
local fs = require("erlua.core.fs")
local core = require("erlua.core.study")
local json = require("erlua.json")
local text = require("erlua.text")
local exec = require("erlua.core.exec")
local session = require("erlua.session")
local envs = require("erlua.env")
local ideas = require("erlua.ideas")
local args = require("erlua.cli.args")
local pages = require("erlua.page")
local env_page = require("erlua.env_page")
local folders = require("erlua.job_folders")

local usage = [[
usage: erlua env NAME|DIR [options]

Checks the env.lua of an environment, shows what it says, and runs its baseline:
the commands on the files as they are, in the sandbox and within the limits of a
search. NAME is a folder below envs/ here or in erlua itself. Exit code 1 when
env.lua is wrong or the baseline fails.

  --preset NAME   with the fields of this preset
  --text FILE     another text to train on, where the environment trains on one
  --no-run        only check and show
  --no-sandbox    run the commands outside the sandbox
  --study DIR     keep the run as a study in DIR, for `erlua trials DIR`
  --json          as JSON
  --fetch         only download the files that its env.lua names, each checked
                  against the digest that the server publishes; goes on where an
                  earlier one ended
  --shards N      with --fetch: of files in a row only the first N
  --to DIR        with --fetch: where they go, instead of erlua's cache
  --from URL      with --fetch: another server than Hugging Face, as $HF_ENDPOINT
]]

local KNOWN = { ["--preset"] = "text", ["--text"] = "text", ["--no-run"] = "flag", ["--no-sandbox"] = "flag",
  ["--study"] = "text", ["--json"] = "flag",
  ["--fetch"] = "flag", ["--shards"] = "number", ["--to"] = "text", ["--from"] = "text" }

-- ---- the baseline -----------------------------------------------------------------------

-- A folder that goes when the program ends, whatever ends it; with it what may still run.
local function temporary()
  local made, message = exec { "mktemp", "-d", "-t", "erlua-env.XXXXXX" }
  local dir = made and made.stdout:match("^[^\n]+")
  if not dir then return nil, message or made.stderr end
  host.at_end(function(code)
    folders.cancel(dir)
    fs.remove(dir)
    return code == 3 and 1 or code
  end)
  return dir
end

local function run_baseline(name, opt, dir)
  session.script = { name = "env", base = "env", source = "" }
  local study = require("erlua.study").open { env = name, preset = opt.preset, text = opt.text, sandbox = not opt.no_sandbox,
    study = dir, seed = 1, model = "builtin:mutate", json = true }
  local idea = { id = 1, epoch = 0, prompt = "baseline", model = "none", text = "baseline", reply = "", parents = {} }
  ideas.put(idea)
  local t = study.trial_room:run(idea)
  core.update("studies", { id = 1, state = "finished", baseline = t.reward })
  return require("erlua.trials_data").one(study.store, 1)
end

local function show_baseline(page, t)
  page:add("")
  page:add(page:bold("Baseline"))
  require("erlua.trial_page").outcome(page, t, { log = t.outcome ~= "ok" })
end

local function waiting(env)
  if env.limits.wall <= 0 then return "erlua: running the baseline of " .. env.name end
  return "erlua: running the baseline of " .. env.name .. " (each command " .. text.duration(env.limits.wall) .. " at most)"
end

-- ---- the command --------------------------------------------------------------------------

local function fail(message)
  host.report(message)
  return 1
end

local function check_and_show(name, opt)
  local env, message = envs.load(name, { preset = opt.preset, text = opt.text, sandbox = not opt.no_sandbox,
    inputs = opt.no_run and "none" or nil })
  if not env then return fail(message) end
  local doc = env_page.data(env, opt.text)
  if opt.json then return env, doc end
  local page = pages.new()
  env_page.add(page, doc)
  page:print()
  return env, doc
end

local function download(name, opt)
  local env, message = envs.load(name, { preset = opt.preset, inputs = "none" })
  if not env then return fail(message) end
  return require("erlua.cli.env_fetch")(env, opt)
end

return function(argv)
  local opt, code = args.parse(argv, usage, KNOWN, 1)
  if not opt then return code end
  if not opt[1] then return select(2, args.misuse("which environment?", usage)) end
  if opt.fetch then return download(opt[1], opt) end
  if opt.shards or opt.to or opt.from then
    return select(2, args.misuse("--shards, --to and --from go with --fetch", usage))
  end
  local env, doc = check_and_show(opt[1], opt)
  if env == 1 then return 1 end
  local t
  if not opt.no_run then
    if opt.study and fs.exists(opt.study) then return fail(opt.study .. " exists; choose another --study") end
    local dir, message = opt.study, nil
    if not dir then dir, message = temporary() end
    if not dir then return fail("cannot make a temporary folder: " .. text.clean(message)) end
    if not opt.json then host.progress(waiting(env)) end
    t = run_baseline(opt[1], opt, dir)
  end
  doc.baseline = t or json.null
  if opt.json then host.out(json.encode(doc) .. "\n")
  elseif t then
    local page = pages.new()
    show_baseline(page, t)
    page:print()
  end
  return (not t or t.outcome == "ok") and 0 or 1
end
