-- The paper's first experiment, with scripted models: whose ideas run, by whose hand.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local fake = dofile(t.source .. "/tests/lib/fake.lua")
local json = require("erlua.json")

local function run(dir, ...)
  return t.run({ t.erlua, "strategies/execution_rate.lua", "--study", dir .. "/study", ... }, { cwd = dir, timeout = 120 })
end

-- The rows of the report's table by the names of the fake models.
local function rates(report)
  local out = {}
  for _, m in ipairs(report.models) do
    local made = m.implementer ~= json.null and m.implementer:match("openai:([%w-]+)") or "none"
    out[m.model:match("openai:([%w-]+)") .. "/" .. made] = m
  end
  return out
end

t.test("each model's ideas are implemented by itself and by the others, and the rates tell them apart", function()
  local dir, server = t.tmpdir(), fake.start(t, "ideas")
  local models = ("openai:good-plain@%s,openai:good-hopeless@%s,openai:refuse-good@%s"):gsub("%%s", server.url)
  local r = run(dir, "--models", models, "--ideas", "6", "--samples", "2", "--revisions", "1", "--json")
  t.eq(r.code, 0, r.err)
  local report = json.decode(r.out)
  t.eq(report.trials, 3 * 3 * 6)
  local by = rates(report)
  local good, hopeless = by["good-plain/good-plain"], by["good-plain/good-hopeless"]
  t.eq({ good.n, good.submitted, good.applied }, { 6, 6, 6 })
  t.ok(good.scored >= 4 and good.completed >= good.scored, json.encode(good))
  t.eq({ hopeless.n, hopeless.submitted, hopeless.applied, hopeless.scored, hopeless.best }, { 6, 6, 0, 0, json.null })
  t.eq(by["good-hopeless/good-plain"].applied, 6, "another's hand makes good ideas work")
  t.eq({ by["refuse-good/none"].n, by["refuse-good/none"].submitted }, { 18, 0 })
  local replay = t.run { t.erlua, "replay", dir .. "/study" }
  t.eq({ replay.code, replay.err }, { 0, "" })
end)

t.test("both implementers of an idea get the same words, and no model is told another's ideas", function()
  local dir, server = t.tmpdir(), fake.start(t, "ideas")
  local r = run(dir, "--models", ("openai:one-plain@%s,openai:two-plain@%s"):gsub("%%s", server.url), "--ideas", "3", "--samples", "1", "--json")
  t.eq(r.code, 0, r.err)
  local trials = json.decode(t.run({ t.erlua, "trials", dir .. "/study", "--json" }).out)
  local made = {}
  for i = 2, #trials do
    local key = trials[i].model .. "\n" .. trials[i].idea
    made[key] = made[key] or {}
    made[key][trials[i].implementer] = true
  end
  for key, by in pairs(made) do
    local n = 0
    for _ in pairs(by) do n = n + 1 end
    t.eq(n, 2, key)
  end
  for _, q in ipairs(server.requests()) do
    if q.body:find("Ideas wanted") then t.no_match(q.body, "# Proposed already") end
  end
end)

t.test("models that cannot be asked or paid for are refused before anything is made", function()
  local dir = t.tmpdir()
  local function refused(pattern, ...)
    local r = run(dir, ...)
    t.eq(r.code, 2, r.err)
    t.match(r.err, "%-%-models .*" .. pattern)
    t.no_match(r.err, "traceback")
  end
  refused("did you mean openai", "--models", "opnai:x")
  refused("is named twice", "--models", "openai:x@http://127.0.0.1:1,openai:x@http://127.0.0.1:1")
  t.match(run(dir, "--models", "openai:x@http://127.0.0.1:1#key_env=NO_SUCH_KEY_HERE").err, "NO_SUCH_KEY_HERE is not set")
  t.match(run(dir, "--models", "openai:x@http://127.0.0.1:1", "--budget", "cost=2").err, "nobody knows what openai:x")
  t.eq(t.run({ "ls", dir }).out, "")
end)

t.test("the page shows the rates as a table", function()
  local dir, server = t.tmpdir(), fake.start(t, "ideas")
  local r = run(dir, "--models", "openai:one-plain@" .. server.url, "--ideas", "4", "--samples", "1")
  t.eq(r.code, 0, r.err)
  t.match(r.out, "Models\n.*submitted.*applied.*completed.*scored")
  t.match(r.out, "openai:one%-plain +openai:one%-plain +4 +100 %% +100 %%")
  t.match(r.out, "Calls\n  %d+ calls: ")
end)

t.test("without a model it measures the built-in ideator", function()
  local dir = t.tmpdir()
  local r = run(dir, "--ideas", "8", "--json")
  t.eq(r.code, 0, r.err)
  local report = json.decode(r.out)
  t.eq({ report.trials, #report.models }, { 8, 1 })
  t.eq({ report.models[1].model, report.models[1].implementer }, { "builtin:mutate", json.null })
end)

t.test("it has one round of ideas, and more where epochs are raised", function()
  local dir = t.tmpdir()
  t.eq(json.decode(run(dir, "--ideas", "3", "--json").out).trials, 3)
  local r = run(dir, "--ideas", "3", "--epochs", "2", "--json")
  t.eq(r.code, 0, r.err)
  t.eq(json.decode(r.out).trials, 6)
  t.eq(t.run({ t.erlua, "replay", dir .. "/study" }).code, 0)
  t.match(run(dir, "--help").out, "%-%-no%-cross +do not have the ideas")
end)

return t
