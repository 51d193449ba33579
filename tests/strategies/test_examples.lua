-- What the documents show works: the examples run, the strategies of docs/strategies.md
-- run, are resumed, replayed, and may be given more epochs.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local rig = dofile(t.source .. "/tests/lib/rig.lua")

local page = t.read(t.source .. "/docs/strategies.md") or ""

-- The n-th piece of Lua of a page, below a heading.
local function shown(heading, n)
  local from = t.ok(page:find("\n## " .. heading, 1, true), "docs/strategies.md has '" .. heading .. "'")
  for code in page:sub(from):gmatch("```lua\n(.-)```") do
    n = n - 1
    if n == 0 then return code end
  end
end

local function erlua(dir, ...)
  return t.run({ t.erlua, ... }, { cwd = dir, env = { ERLUA_HOME = t.source } })
end

local function fine(r)
  t.eq(r.code, 0, r.err)
  return r
end

local function trials(dir, study)
  return require("erlua.json").decode(fine(erlua(dir, "trials", study, "--json")).out)
end

-- What must not depend on how often a study was begun.
local function essence(list)
  local out = {}
  for i, trial in ipairs(list) do
    out[i] = { trial.id, trial.epoch, trial.idea, trial.outcome, trial.reward, trial.patch, trial.parents }
  end
  return out
end

t.test("the example that applies a patch prints the difference", function()
  local r = fine(erlua(t.tmpdir(), t.source .. "/examples/apply_patch.lua"))
  t.match(r.out, "%+local name = arg%[1%] or 'everyone'")
  t.match(r.out, "1 line added, 1 removed")
end)

t.test("the example that runs a job shows how it ended and what it left", function()
  rig.needs_sandbox(t)
  local dir = t.tmpdir()
  local r = fine(t.run({ t.erlua, t.source .. "/examples/one_job.lua" }, { env = { TMPDIR = dir } }))
  t.match(r.out, "^exit\t0\tdone\n")
  t.match(r.out, "apple\npear\nquince\n")
end)

t.test("the example that takes one idea by hand comes to a reward above the baseline", function()
  rig.needs_sandbox(t)
  local r = fine(t.run({ t.erlua, t.source .. "/examples/one_trial.lua" }, { cwd = t.tmpdir(), env = { TMPDIR = t.tmpdir() } }))
  t.ok(tonumber(r.out:match("reward\t(%S+)")) > 2, r.out)
end)

t.test("the hill climber of the page is the one in examples", function()
  t.eq(shown("Ten minutes", 1), t.read(t.source .. "/examples/hillclimb.lua"))
end)

t.test("the hill climber goes on when its epochs are raised, as if it had had them from the first", function()
  rig.needs_sandbox(t)
  local dir, script = t.tmpdir(), t.source .. "/examples/hillclimb.lua"
  fine(erlua(dir, script, "--batch", "4", "--epochs", "1", "--study", "short"))
  fine(erlua(dir, script, "--batch", "4", "--epochs", "3", "--study", "short"))
  fine(erlua(dir, script, "--batch", "4", "--epochs", "3", "--study", "long"))
  t.eq(essence(trials(dir, "short")), essence(trials(dir, "long")))
  fine(erlua(dir, "replay", "short"))
end)

t.test("a strategy that reads and logs after the last round may be given more epochs", function()
  rig.needs_sandbox(t)
  local dir = t.tmpdir()
  t.write(dir .. "/s.lua", [[
    local opt = erlua.options { env = "circle_packing", epochs = 1, batch = 2 }
    local study = erlua.study(opt)
    study:baseline()
    for _ = 1, opt.epochs do
      erlua.map(study:propose { n = opt.batch, prompt = "first" }, function(idea) return study:trial(idea) end)
    end
    for _, trial in ipairs(study:best(2):list()) do study:log("trial %d: %g", trial.id, trial.reward) end
    study:trials()
    return study:report()]])
  fine(erlua(dir, "s.lua", "--study", "s"))
  fine(erlua(dir, "s.lua", "--study", "s", "--epochs", "3"))
  t.eq(#trials(dir, "s"), 7)
  fine(erlua(dir, "replay", "s"))
end)

t.test("lines of search without common rounds survive a kill and replay", function()
  rig.needs_sandbox(t)
  local dir = t.tmpdir()
  t.write(dir .. "/lines.lua", shown("A different shape", 1))
  local args = { t.erlua, "lines.lua", "--epochs", "4", "--study", "s" }
  local r = t.run(args, { cwd = dir, env = { ERLUA_HOME = t.source, ERLUA_FAULT = "commit.after:20" } })
  t.eq(r.code, 137)
  fine(t.run(args, { cwd = dir, env = { ERLUA_HOME = t.source } }))
  t.eq(#trials(dir, "s"), 17)
  fine(erlua(dir, "replay", "s"))
end)

return t
