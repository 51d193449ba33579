-- Searches with language models: the scripted model of tests/fake/ideas.lua behind a real
-- server, real patches, real jobs.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local fake = dofile(t.source .. "/tests/lib/fake.lua")
local engine = dofile(t.source .. "/tests/lib/engine.lua")(t)
local json = require("erlua.json")

local function model(server, name) return "openai:" .. name .. "@" .. server.url end

local function run(dir, strategy, args)
  local argv = { t.erlua, "strategies/" .. strategy .. ".lua", "--env", "circle_packing", "--study", dir .. "/study", "--json" }
  table.move(args, 1, #args, #argv + 1, argv)
  local r = t.run(argv, { cwd = dir })
  t.eq(r.code, 0, r.err)
  return json.decode(r.out)
end

local function trials(dir) return json.decode(t.run({ t.erlua, "trials", dir .. "/study", "--json" }).out) end

local function replays(dir)
  local r = t.run { t.erlua, "replay", dir .. "/study" }
  t.eq({ r.code, r.err }, { 0, "" })
end

-- Every idea that was asked for is a trial, and every trial stands in the funnel once.
local function adds_up(report, list, ideas)
  t.eq({ report.trials, #list }, { ideas, ideas + 1 })
  local n, counted = 0, {}
  for _, f in ipairs(report.funnel) do n = n + f.n end
  t.eq(n, ideas, "the funnel")
  for i = 2, #list do counted[list[i].outcome] = (counted[list[i].outcome] or 0) + 1 end
  t.eq(counted, report.outcomes)
end

t.test("evolve runs ten epochs with a model: its funnel adds up, it climbs, and it replays without the server", function()
  local dir, server = t.tmpdir(), fake.start(t, "ideas")
  local report = run(dir, "evolve", { "--model", model(server, "steady"), "--epochs", "10", "--batch", "8", "--samples", "3" })
  local list = trials(dir)
  adds_up(report, list, 80)
  t.ok(report.outcomes.ok > 40, "only " .. report.outcomes.ok .. " of 80 came to a reward")
  t.ok(report.best.improvement > 0, "nothing beat the baseline")
  local children = 0
  for _, x in ipairs(list) do
    for _, p in ipairs(x.parents) do
      t.ok(p < x.id and list[p].reward > list[1].reward, "trial " .. x.id .. " builds on " .. p)
      children = children + 1
    end
  end
  t.ok(children > 10, "only " .. children .. " ideas build on others")
  server.stop()
  replays(dir)
end)

t.test("best of n works with a model of the other wire format, and each call for ideas is told what was proposed", function()
  local dir, server = t.tmpdir(), fake.start(t, "ideas")
  local report = run(dir, "bestofn", { "--model", "anthropic:steady-plain@" .. server.url, "--epochs", "2", "--batch", "15", "--samples", "2" })
  adds_up(report, trials(dir), 30)
  local asked = {}
  for _, r in ipairs(server.requests()) do
    if r.body:find("Ideas wanted") then asked[#asked + 1] = r.body end
  end
  t.ok(#asked >= 4, #asked .. " calls for 2 x 15 ideas at 10 a call")
  t.no_match(asked[1], "# Proposed already")
  t.match(asked[2], "# Proposed already")
  t.match(asked[3], "# Proposed already")
end)

-- Kills evolve after these shares of its calls; each time it must go on to what it was to be.
local function survives_kills(server, shares, args)
  local whole = t.tmpdir()
  run(whole, "evolve", args)
  local want = engine.trials(whole .. "/study")
  local calls = #server.requests()
  t.ok(calls > 18, calls .. " calls")
  for _, share in ipairs(shares) do
    local dir = t.tmpdir()
    local before = #server.requests()
    local argv = { "strategies/evolve.lua", "--env", "circle_packing", "--study", dir .. "/study", "--json", table.unpack(args) }
    local going = erlua.spawn(engine.run, argv, { cwd = dir })
    t.await("enough calls have been made", function() return going:done() or #server.requests() - before > share * calls end)
    going:cancel()                                     -- kill -9
    going:wait()
    run(dir, "evolve", args)
    t.eq(engine.trials(dir .. "/study"), want)
    replays(dir)
  end
end

t.test("a killed study with a model goes on and ends as one that was left alone", function()
  local server = fake.start(t, "ideas")
  survives_kills(server, { 0.15, 0.5, 0.8 }, { "--model", model(server, "clumsy"), "--epochs", "3", "--batch", "6", "--samples", "2" })
end)

t.test("so does one whose samples are checked and whose crashes go back", function()
  local server, env = fake.start(t, "ideas"), t.tmpdir() .. "/checked"
  t.run { "cp", "-r", t.source .. "/envs/circle_packing", env }
  t.write(env .. "/env.lua", (t.read(env .. "/env.lua"):gsub("\n  train ", '\n  check    = { "sh", "-c", "grep -q circles pack.lua" },\n  train ')))
  survives_kills(server, { 0.3, 0.7 }, { "--env", env, "--model", model(server, "clumsy-crash"), "--epochs", "2", "--batch", "5", "--samples", "2",
    "--revise-on-crash", "1" })
end)

t.test("lines of search that ask at the same time, each when it likes, replay as they went", function()
  local dir, server = t.tmpdir(), fake.start(t, "ideas")
  t.write(dir .. "/lines.lua", [[
    local study = erlua.study(erlua.options { env = "circle_packing" })
    study:baseline()
    local lines = {}
    for i = 1, 4 do
      lines[i] = erlua.spawn(function()
        for _ = 1, 3 do study:trial(study:propose { n = 1, prompt = "exploit", parents = study:best(3) }[1]) end
      end)
    end
    for _, line in ipairs(lines) do assert(line:wait()) end
    study:report()]])
  local r = t.run({ t.erlua, "lines.lua", "--study", dir .. "/study", "--json", "--samples", "2", "--model", model(server, "clumsy") },
    { cwd = dir })
  t.eq(r.code, 0, r.err)
  adds_up(json.decode(r.out), trials(dir), 12)
  replays(dir)
end)

t.test("ideas that cannot be had are trials without an idea, each with its reason", function()
  local server = fake.start(t, "ideas")
  local reasons = { ["refuse"] = "^refusal: I would rather not", ["prose"] = "^too few ideas after 2 further questions: no idea could be found",
    ["cut-plain"] = "^truncated: " }
  for name, pattern in pairs(reasons) do
    local dir = t.tmpdir()
    local report = run(dir, "bestofn", { "--model", model(server, name), "--epochs", "1", "--batch", "4" })
    local list = trials(dir)
    adds_up(report, list, 4)
    for i = 2, 5 do
      t.eq({ list[i].outcome, list[i].stage }, { "no_idea", "propose" }, name)
      t.match(list[i].reason, pattern)
    end
    replays(dir)
  end
end)

t.test("a model that refuses is not asked the same again, and its fallback takes over", function()
  local dir, server = t.tmpdir(), fake.start(t, "ideas")
  local report = run(dir, "bestofn", { "--model", model(server, "refuse-deny"), "--fallback", model(server, "steady-plain"), "--epochs", "1",
    "--batch", "4", "--samples", "2" })
  adds_up(report, trials(dir), 4)
  t.eq(report.outcomes.no_idea, nil)
  local seen = {}
  for _, r in ipairs(server.requests()) do
    local body = json.decode(r.body)
    if body.model == "refuse-deny" then
      local key = json.encode(body.messages)
      seen[key] = (seen[key] or 0) + 1
    end
  end
  for _, n in pairs(seen) do t.ok(n <= 2, "a refused prompt was sent " .. n .. " times: only samples in flight may be") end
end)

t.test("one model has the ideas and another makes the changes", function()
  local dir, server = t.tmpdir(), fake.start(t, "ideas")
  run(dir, "bestofn", { "--ideator", model(server, "thinker-plain"), "--implementer", model(server, "maker"), "--epochs", "1", "--batch", "5",
    "--samples", "2" })
  for _, r in ipairs(server.requests()) do
    local body = json.decode(r.body)
    t.eq(body.model, r.body:find("Ideas wanted") and "thinker-plain" or "maker")
  end
  for i, x in ipairs(trials(dir)) do
    if i > 1 then
      t.match(x.model, "thinker%-plain")
      t.match(x.implementer, "maker")
    end
  end
end)

t.test("several models share the work by their weights, and the same seed shares it the same way", function()
  local server = fake.start(t, "ideas")
  local function shares()
    local dir, n = t.tmpdir(), {}
    run(dir, "bestofn", { "--model", model(server, "often-plain") .. "*5, " .. model(server, "seldom-plain"), "--epochs", "1", "--batch", "24",
      "--samples", "1", "--ideas-per-call", "1" })
    for i, x in ipairs(trials(dir)) do
      if i > 1 then
        local name = x.model:match("openai:(%a+)")
        n[name] = (n[name] or 0) + 1
      end
    end
    replays(dir)
    return n
  end
  local a = shares()
  t.ok((a.often or 0) > (a.seldom or 0), json.encode(a))
  t.eq(a.often + (a.seldom or 0), 24)
  t.eq(shares(), a)
end)

t.test("a change that the ideator wrote itself is used where it applies", function()
  local dir, server = t.tmpdir(), fake.start(t, "ideas")
  local report = run(dir, "bestofn", { "--model", model(server, "oneshot-plain"), "--epochs", "1", "--batch", "5" })
  adds_up(report, trials(dir), 5)
  for _, r in ipairs(server.requests()) do t.match(r.body, "Ideas wanted") end
end)

t.test("how much a model thinks and how warm it is are said only if that was asked for", function()
  local dir, server = t.tmpdir(), fake.start(t, "ideas")
  run(dir, "bestofn", { "--model", model(server, "steady-plain"), "--epochs", "1", "--batch", "1", "--samples", "1" })
  local body = server.requests()[1].body
  t.no_match(body, "temperature")
  t.no_match(body, "reasoning_effort")
  local warm = t.tmpdir()
  run(warm, "bestofn", { "--model", model(server, "steady-plain"), "--epochs", "1", "--batch", "1", "--samples", "1", "--thinking", "low",
    "--temperature", "0.5" })
  body = server.requests()[#server.requests()].body
  t.match(body, '"temperature":0%.5')
  t.match(body, '"reasoning_effort":"low"')
  local r = t.run({ t.erlua, "strategies/bestofn.lua", "--env", "circle_packing", "--thinking", "hard" }, { cwd = dir })
  t.eq(r.code, 2)
  t.match(r.err, "%-%-thinking is a number of tokens")
end)

t.test("models that cannot do the work are refused before the study begins", function()
  local dir = t.tmpdir()
  for args, pattern in pairs { [{ "--implementer", "builtin:mutate" }] = "changes of its own ideas alone", [{ "--ideator", "opnai:x" }] = "did you mean openai",
    [{ "--fallback", "builtin:mutate" }] = "one model that can be asked", [{ "--fallback", "openai:a@http://127.0.0.1:1*2" }] = "without a weight",
    [{ "--fallback", "openai:a@http://127.0.0.1:1,openai:b@http://127.0.0.1:1" }] = "one model that can be asked",
    [{ "--model", "openai:x@http://127.0.0.1:1,,openai:y" }] = "missing between the commas" } do
    local r = t.run({ t.erlua, "strategies/bestofn.lua", "--env", "circle_packing", args[1], args[2] }, { cwd = dir })
    t.eq(r.code, 2, r.err)
    t.match(r.err, pattern)
  end
  t.eq(t.run({ "ls", dir }).out, "")
end)

t.test("at the prompt a study goes on asking where it stopped", function()
  local dir, server = t.tmpdir(), fake.start(t, "ideas")
  run(dir, "bestofn", { "--model", model(server, "steady-plain"), "--epochs", "1", "--batch", "3", "--samples", "1" })
  local r = t.run({ t.erlua, "-e", ([[
    local study = erlua.study { env = "circle_packing", study = "%s/more", model = "%s" }
    study:baseline()
    for _ = 1, 2 do
      for _, idea in ipairs(study:propose { n = 2, prompt = "first" }) do study:trial(idea, { samples = 1 }) end
    end
    return #study:trials(), study.questions]]):format(dir, model(server, "steady-plain")) }, { cwd = dir })
  t.eq(r.code, 0, r.err)
  t.match(r.out, "^5%s+%d+")
  r = t.run({ t.erlua, "-e", ([[
    local study = erlua.study { env = "circle_packing", study = "%s/more", model = "%s" }
    return study.questions, #study:propose { n = 1, prompt = "first" }]]):format(dir, model(server, "steady-plain")) }, { cwd = dir })
  t.eq(r.code, 0, r.err)
  t.match(r.out, "^[2-9]%s+1")
end)

t.test("prompts of the working folder win, are kept by the study, and are not read again", function()
  local dir, server = t.tmpdir(), fake.start(t, "ideas")
  t.write(dir .. "/prompts/first.md", "MY OWN WORDS\n\n{{answer}}\n")
  run(dir, "bestofn", { "--model", model(server, "steady-plain"), "--epochs", "1", "--batch", "3", "--samples", "1" })
  t.match(server.requests()[1].body, "MY OWN WORDS")
  t.write(dir .. "/prompts/first.md", "OTHER WORDS\n\n{{answer}}\n")
  replays(dir)
  local r = t.run({ t.erlua, "resume", dir .. "/study", "--epochs", "2" }, { cwd = dir })
  t.eq(r.code, 0, r.err)
  t.match(r.err, "the prompt first")
  for _, q in ipairs(server.requests()) do t.no_match(q.body, "OTHER WORDS") end
  t.write(dir .. "/prompts/first.md", "{{anwser}}\n")
  r = t.run({ t.erlua, "strategies/bestofn.lua", "--env", "circle_packing", "--new" }, { cwd = dir })
  t.eq(r.code, 1)
  t.match(r.err, "prompts/first%.md: {{anwser}} is not known here; did you mean {{answer}}")
end)

return t
