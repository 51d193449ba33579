-- Calls to models in a study: what is parked and what stops it, what it may spend, what the
-- ledger says, and that nothing is asked twice.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local engine = dofile(t.source .. "/tests/lib/engine.lua")(t)
local fake = dofile(t.source .. "/tests/lib/fake.lua")

local TIMES = "backoff=0.005 cap=0.01 probe=0.05 probe_max=0.08 honoured=0.5"

-- Asks each prompt at the same time and prints what came of it.
local ASK = [[
local opt = erlua.options { env = "x", llm = "", prompts = 3, samples_of = 1, max = 100, refusing = "" }
local study = erlua.study(opt)
local llm = erlua.llm(opt.llm, { fallback = opt.fallback })
local n = {}
for i = 1, opt.prompts do n[i] = i end
erlua.map(n, function(i)
  for j, reply, message, code in llm:samples({ prompt = "prompt " .. i, max_tokens = opt.max }, opt.samples_of) do
    print(i, j, reply and reply.text or code .. ": " .. message)
    if opt.samples_of > 1 and reply then break end
  end
end)
]]

local function setup(script)
  local dir = t.tmpdir()
  local s = { dir = dir, study = dir .. "/s", server = fake.start(t, script or "faults"), file = t.write(dir .. "/ask.lua", ASK) }
  s.url = s.server.url .. "/v1"
  function s.run(steps, extra, env)
    local args = { s.file, "--env", engine.env, "--study", s.study, "--llm", "openai:" .. steps .. "@" .. s.url }
    table.move(extra or {}, 1, #(extra or {}), #args + 1, args)
    env = env or {}
    env.ERLUA_LLM_TIMES = env.ERLUA_LLM_TIMES or TIMES
    return engine.run(args, { env = env })
  end
  function s.sql(statement) return engine.sql(s.study, statement) end
  -- Replay, after the server has gone, sees the same.
  function s.replay()
    s.server.stop()
    local r = engine.run { "replay", s.study }
    t.eq({ r.code, r.stderr }, { 0, "" }, "replay")
  end
  return s
end

local function sorted(out)
  local lines = {}
  for line in out:gmatch("[^\n]+") do lines[#lines + 1] = line end
  table.sort(lines)
  return lines
end

local WORDS = { "1\t1\treply 1: the word is prompt 1", "2\t1\treply 1: the word is prompt 2", "3\t1\treply 1: the word is prompt 3" }

-- ---- the ledger and the journal ------------------------------------------------------------------------

t.test("each call is one row of the ledger and one effect, and replay needs no server", function()
  local s = setup()
  local r = s.run("ok")
  t.eq({ r.code, sorted(r.stdout) }, { 0, WORDS }, r.stderr)
  t.eq(s.sql("SELECT count(*), min(state), max(state), sum(requests), sum(input > 0), sum(output > 0), max(estimated), count(cost) FROM calls"), "3|ok|ok|3|3|3|0|0")
  t.eq(s.sql("SELECT count(*) FROM effects e JOIN calls c ON c.path = e.path AND c.seq = e.seq WHERE e.kind = 'chat'"), "3")
  s.replay()
end)

t.test("a study that is run again asks nothing again", function()
  local s = setup()
  t.eq(s.run("ok").code, 0)
  t.eq(s.run("ok").code, 0)
  t.eq(#s.server.requests(), 3)
end)

t.test("a call that fails is the business of the script, and costs the study nothing else", function()
  local s = setup()
  local r = s.run("context")
  t.eq(r.code, 0, r.stderr)
  t.match(r.stdout, "context: 127.0.0.1 answered 400: prompt is too long")
  t.eq(s.sql("SELECT DISTINCT state, requests FROM calls"), "error|1")
  s.replay()
end)

t.test("cancelled samples are counted with what had arrived, as an estimate", function()
  local s = setup([[
    local openai = require("openai")
    return function(req, res)
      local body = json.decode(req.body)
      arrived = (arrived or 0) + 1
      if arrived == 1 then
        local events = openai.events({ text = "yes", pieces = 1 }, body)
        res:head(200, { ["Content-Type"] = "text/event-stream" })
        res:write(events[1] .. events[2])
        while hanging ~= 2 do res:sleep(0.005) end
        for i = 3, #events do res:write(events[i]) end
        return
      end
      local events = openai.events({ text = ("word "):rep(100), pieces = 10 }, body)
      res:head(200, { ["Content-Type"] = "text/event-stream" })
      for i = 1, 6 do res:write(events[i]) end
      res:sleep(1)                                       -- the client reads what was sent so far
      hanging = (hanging or 0) + 1
      res:hang()
    end
  ]])
  local r = s.run("m", { "--prompts", "1", "--samples-of", "3" })
  t.eq(r.code, 0, r.stderr)
  t.await("the others are gone", function() return #s.server.gone() == 2 end)
  t.eq(s.sql("SELECT state, count(*), min(estimated), sum(input > 0), min(output) > 50 FROM calls WHERE state <> 'ok' GROUP BY state"),
    "cancelled|2|1|2|1")
  s.replay()
end)

-- ---- an endpoint that does not answer ---------------------------------------------------------------------

t.test("when an endpoint does not answer calls are parked, probed and go on; no call is lost", function()
  local s = setup([[
    local openai = require("openai")
    return function(req, res)
      if req.n <= 22 then return res:reply(503, nil, "{}") end
      openai.answer(req, res, { text = "yes" })
    end
  ]])
  local r = s.run("m", { "--prompts", "4" })
  t.eq(r.code, 0, r.stderr)
  t.eq(#sorted(r.stdout), 4)
  t.no_match(r.stdout, "overloaded")
  t.match(r.stderr, "does not answer: .* Calls wait; it is tried again in 0.1s, and the study stops after 6h00m %(%-%-patience%)")
  t.match(r.stderr, "answers again after")
  t.eq(s.sql("SELECT count(*), min(state) FROM calls"), "4|ok")
  s.replay()
end)

t.test("while an endpoint is down it gets one request at a time, ever less often", function()
  local s = setup("faults")
  local r = s.run("503", { "--prompts", "8", "--patience", "2s" })
  t.eq(r.code, 3)
  local requests = s.server.requests()
  t.ok(#requests <= 8 * 6 + 2 / 0.05 + 2, #requests .. " requests")
  local last = requests[#requests]
  local probes = 0
  for _, q in ipairs(requests) do
    if q.time > last.time - 0.5 then probes = probes + 1 end
  end
  t.ok(probes <= 0.5 / 0.05 + 1, probes .. " in the last half second")
end)

t.test("when patience ends the study stops in order, and goes on from there when the endpoint is back", function()
  local back = t.tmpdir() .. "/back"
  local s = setup(([[
    local openai = require("openai")
    return function(req, res)
      local body = json.decode(req.body)
      local last = body.messages[1].content
      local back = io.open("BACK")
      if last ~= "prompt 1" and last ~= "prompt 3" and not back then return res:reply(503, nil, "{}") end
      openai.answer(req, res, { text = "yes" })
    end
  ]]):gsub("BACK", function() return back end))
  local r = s.run("m", { "--patience", "0.3s" })
  t.eq(r.code, 3, r.stderr)
  t.match(r.stderr, "has not answered for .* %(%-%-patience%).*go on with: erlua resume")
  t.eq(s.sql("SELECT state, count(*) FROM calls GROUP BY state"), "ok|2\nopen|1")
  local asked = #s.server.requests()
  t.write(back, "")
  r = s.run("m", { "--patience", "0.3s" })
  t.eq(r.code, 0, r.stderr)
  t.eq(#s.server.requests() - asked, 1, "the two that were answered are not asked again")
  t.eq(s.sql("SELECT state, count(*) FROM calls GROUP BY state"), "lost|1\nok|3")
  s.replay()
end)

t.test("a call that alone fails while others are answered fails by itself after a second round", function()
  local s = setup([[
    local openai = require("openai")
    return function(req, res)
      local last = json.decode(req.body).messages[1].content
      if last == "prompt 2" then return res:reply(500, nil, '{"error":{"message":"cannot do this one"}}') end
      res:sleep(0.02)
      openai.answer(req, res, { text = "yes" })
    end
  ]])
  local r = s.run("m", { "--prompts", "3", "--concurrency", "2", "--patience", "20s" })
  t.eq(r.code, 0, r.stderr)
  t.match(r.stdout, "2\t1\tserver: 127.0.0.1 answered 500: cannot do this one")
  t.ok(#s.server.requests() <= 2 + 12 + 4, #s.server.requests() .. " requests")
  s.replay()
end)

t.test("a call that nobody else could stand up for is found out by a tiny question, and the study goes on", function()
  local s = setup([[
    local openai = require("openai")
    return function(req, res)
      local last = json.decode(req.body).messages[1].content
      if last:find("^prompt") then return res:reply(500, nil, '{"error":{"message":"cannot do this one"}}') end
      openai.answer(req, res, { text = "yes" })
    end
  ]])
  local r = s.run("m", { "--prompts", "1", "--patience", "20s" })
  t.eq(r.code, 0, r.stderr)
  t.match(r.stdout, "1\t1\tserver: 127.0.0.1 answered 500: cannot do this one")
  t.eq(#s.server.requests(), 6 + 3 + 1)
  s.replay()
end)

t.test("a host that does not exist is said at once, and again when patience ends", function()
  local s = setup()
  local r = engine.run({ s.file, "--env", engine.env, "--study", s.study, "--llm", "openai:x@http://nowhere.invalid/v1", "--prompts", "1",
    "--patience", "0.2s" }, { env = { ERLUA_LLM_TIMES = TIMES } })
  t.eq(r.code, 3, r.stderr)
  t.match(r.stderr, "http://nowhere.invalid:80 does not answer: .*check the name of the host.*has not answered for .*erlua resume")
end)

t.test("Ctrl-C waits for the replies that are on their way, records them and sends nothing more", function()
  local go = t.tmpdir() .. "/go"
  local s = setup([[
    local openai = require("openai")
    return function(req, res)
      while req.n == 1 and not io.open("]] .. go .. [[") do res:sleep(0.01) end
      openai.answer(req, res, { text = "yes" })
    end
  ]])
  local args = { s.file, "--env", engine.env, "--study", s.study, "--llm", "openai:m@" .. s.url, "--prompts", "3", "--concurrency", "1" }
  local running = engine.start(args)
  t.await("the first question is asked", function() return #s.server.requests() == 1 end)
  engine.signal("INT", engine.pid(s.study))
  t.await("it waits for its reply", function() return running.said():find("waiting for 1 model call in flight") end)
  t.write(go, "")
  t.eq(running.result().code, 3, running.said())
  t.eq({ #s.server.requests(), s.sql("SELECT count(*), min(state) FROM calls") }, { 1, "1|ok" })
  local r = engine.run(args)
  t.eq({ r.code, #s.server.requests() }, { 0, 3 }, r.stderr)
  s.replay()
end)

t.test("a call that was in flight when the engine was killed counts as lost, by its estimate", function()
  local s = setup([[
    local openai = require("openai")
    return function(req, res)
      if req.n == 1 then res:hang() end
      openai.answer(req, res, { text = "yes" })
    end
  ]])
  local running = engine.start({ s.file, "--env", engine.env, "--study", s.study, "--llm", "openai:m@" .. s.url, "--prompts", "1" })
  t.await("the question is asked", function() return #s.server.requests() == 1 end)
  engine.signal("KILL", engine.pid(s.study))
  running.result()
  t.eq(s.run("m", { "--prompts", "1" }).code, 0)
  t.eq(s.sql("SELECT state, requests, output FROM calls"), "lost|1|100\nok|1|1")
  local r = s.run("m", { "--prompts", "1", "--budget", "calls=5" })
  s.replay()
end)

t.test("calls that wait for an endpoint when the engine is killed have cost nothing", function()
  local s = setup()
  local running = engine.start({ s.file, "--env", engine.env, "--study", s.study, "--llm", "openai:503@" .. s.url, "--prompts", "3" },
    { env = { ERLUA_LLM_TIMES = TIMES:gsub("probe=0.05", "probe=30") } })
  local before = 0
  t.await("they wait", function()
    local sent = #s.server.requests()
    local still = sent >= 6 and sent == before
    before = sent
    return still or erlua.sleep(0.15)
  end)
  engine.signal("KILL", engine.pid(s.study))
  running.result()
  t.eq(s.sql("SELECT sum(input + output) FROM calls WHERE state = 'open'"), "0")
end)

t.test("a Retry-After that is longer than patience stops the study at once", function()
  local s = setup()
  local r = s.run("429@3600", { "--prompts", "1", "--patience", "10m" })
  t.eq(r.code, 3, r.stderr)
  t.match(r.stderr, "wants no requests for 1h00m, which is longer than %-%-patience")
  t.eq(#s.server.requests(), 1)
end)

t.test("a Retry-After of minutes closes the endpoint for all, and then it is asked again", function()
  local s = setup()
  local r = s.run("429@0.8+ok", { "--prompts", "1" })
  t.eq(r.code, 0, r.stderr)
  t.match(r.stderr, "wants no requests for 0.[89]s: 127.0.0.1 answered 429")
  local q = s.server.requests()
  t.ok(q[2].time - q[1].time >= 0.8)
end)

-- ---- what a person must mend ----------------------------------------------------------------------------

t.test("no money, no quota, a wrong key and an unknown model stop the study at once; it goes on when that is mended", function()
  for _, fault in ipairs { "402", "quota", "401", "404", "403" } do
    local s = setup()
    local r = s.run(fault .. "+ok")
    t.eq(r.code, 3, fault .. ": " .. r.stderr)
    t.match(r.stderr, fault == "quota" and "exceeded your current quota.*check the account" or "this is a " .. fault)
    t.match(r.stderr, "go on with: erlua resume")
    t.eq(s.sql("SELECT count(*) FROM effects WHERE kind = 'chat'"), "0", "no idea is burnt")
    r = s.run(fault .. "+ok")
    t.ok(r.code == 0 or r.code == 3, r.stderr)
    if r.code == 3 then r = s.run(fault .. "+ok") end          -- a prompt whose first request had not been sent
    t.eq(r.code, 0, r.stderr)
    t.eq(#sorted(r.stdout), 3)
    s.replay()
  end
end)

t.test("a model that rejects one call after the other stops the study before it burns all ideas", function()
  local s = setup()
  local r = s.run("400", { "--prompts", "200", "--concurrency", "1" })
  t.eq(r.code, 3, r.stderr)
  t.match(r.stderr, "rejected 10 calls in a row; the last: 127.0.0.1 answered 400: this is a 400")
  t.ok(#s.server.requests() < 100, #s.server.requests() .. " requests")
end)

t.test("a prompt that is rejected ends its own question, however many samples it has, and not the study", function()
  for _, fault in ipairs { "context", "400" } do
    local s = setup()
    local r = s.run(fault, { "--prompts", "3", "--samples-of", "10", "--concurrency", "1" })
    t.eq({ r.code, #sorted(r.stdout) }, { 0, 30 }, r.stderr)
    t.eq(#s.server.requests(), fault == "context" and 3 or 30, "what is too long for one sample is not sent for the others")
    s.replay()
  end
end)

t.test("a study most of whose calls are refused pauses and says so", function()
  local s = setup()
  local r = s.run("refuse", { "--prompts", "100", "--concurrency", "1" })
  t.eq(r.code, 3, r.stderr)
  t.match(r.stderr, "10 of 10 calls were refused by the model; .* resume to go on all the same")
  t.eq(#s.server.requests(), 10)
  t.eq(s.sql("SELECT state, count(*) FROM calls GROUP BY state"), "refused|10")
  r = s.run("refuse", { "--prompts", "100", "--concurrency", "1" })
  t.eq(r.code, 3)
  t.eq(#s.server.requests(), 20, "ten more, and none of the first again")
  s.replay()
end)

t.test("refusals that a fallback takes over do not stop the study", function()
  local s = setup()
  local fallback = { "--prompts", "30", "--concurrency", "1", "--fallback", "openai:ok@" .. s.url }
  local r = s.run("refuse", fallback)
  t.eq({ r.code, #sorted(r.stdout) }, { 0, 30 }, r.stderr)
  t.eq(s.sql("SELECT state, count(*) FROM calls GROUP BY state"), "ok|30\nrefused|30")
  s = setup()
  fallback[6] = "openai:refuse+refuse@" .. s.url
  r = s.run("refuse", fallback)
  t.match(r.stderr, "10 of 10 calls were refused", "and those that it refuses, too, count once")
end)

t.test("a resumed study still knows which prompts were refused", function()
  local s = setup()
  t.write(s.file, [[
    local opt = erlua.options { env = "x", llm = "" }
    local study = erlua.study(opt)
    local llm = erlua.llm(opt.llm)
    print(select(3, llm:chat("how to?")))
    erlua.sleep(0.05)
    print(select(3, llm:chat("how to?")))
  ]])
  local r = engine.run({ s.file, "--env", engine.env, "--study", s.study, "--llm", "openai:refuse@" .. s.url }, { fault = "commit.after:5" })
  if r.signal == 9 then r = s.run("refuse") end
  t.eq(r.code, 0, r.stderr)
  t.eq(#s.server.requests(), 1)
  s.replay()
end)

-- ---- keys ------------------------------------------------------------------------------------------------

t.test("a model without its key is refused at the start with what to do, and nothing is made", function()
  local dir = t.tmpdir()
  local r = engine.run({ "strategies/bestofn.lua", "--env", engine.env, "--study", dir .. "/s", "--model", "anthropic:claude-x" },
    { env = { ANTHROPIC_API_KEY = "" } })
  t.eq(r.code, 2)
  t.match(r.stderr, "ANTHROPIC_API_KEY is not set: it holds the key for api.anthropic.com. Set it, or choose another model")
  t.eq(t.read(dir .. "/s/study.db"), nil)
end)

t.test("an unknown provider is refused at the start with the nearest name", function()
  local dir = t.tmpdir()
  local r = engine.run { "strategies/bestofn.lua", "--env", engine.env, "--study", dir .. "/s", "--model", "antropic:claude-x" }
  t.eq(r.code, 2)
  t.match(r.stderr, "%-%-model antropic:claude%-x: there is no provider 'antropic'; did you mean anthropic")
end)

t.test("a key that a server sends back in its error is nowhere in the study", function()
  local s = setup([[return function(req, res)
    res:reply(400, nil, '{"error":{"message":"bad header ' .. (req.headers.authorization or "none") .. '"}}')
  end]])
  local r = s.run("m", { "--prompts", "1", "--llm", "openai:m@" .. s.url .. "#key_env=MY_KEY" }, { MY_KEY = "very-secret-17" })
  t.eq(r.code, 0, r.stderr)
  t.match(r.stdout, "bad header Bearer %[key%]")
  t.no_match(r.stdout .. r.stderr, "secret")
  t.eq(os.execute("grep -q very-secret " .. t.quote(s.study) .. "/study.db*"), nil)
end)

t.test("nor is one that stands where the message is cut, or in the reply itself", function()
  local s = setup([[
    local openai = require("openai")
    return function(req, res)
      local key = req.headers.authorization
      if req.body:find('"prompt 1"', 1, true) then return openai.answer(req, res, { text = "you sent " .. key }) end
      res:reply(400, nil, '{"error":{"message":"' .. ("x"):rep(480) .. " " .. key .. '"}}')
    end
  ]])
  local r = s.run("m", { "--prompts", "2", "--llm", "openai:m@" .. s.url .. "#key_env=MY_KEY" }, { MY_KEY = "very-secret-with-25-signs" })
  t.eq(r.code, 0, r.stderr)
  t.match(r.stdout, "you sent Bearer %[key%]\n")
  t.match(r.stdout, "x Bearer %[key%]")
  t.no_match(r.stdout .. r.stderr, "secret")
  t.eq(os.execute("grep -q very-sec " .. t.quote(s.study) .. "/study.db*"), nil)
end)

-- ---- budgets -----------------------------------------------------------------------------------------------

t.test("a budget of calls is held, and the study goes on from there with a larger one", function()
  local s = setup()
  local r = s.run("ok", { "--prompts", "5", "--budget", "calls=2" })
  t.eq(r.code, 3, r.stderr)
  t.match(r.stdout, "%(not finished%).*\nFunnel\n", "the report is printed")
  t.match(r.stderr, "the budget is spent: 2 calls of 2 calls. Raise %-%-budget and go on; go on with: erlua resume")
  t.eq(#s.server.requests(), 2)
  r = s.run("ok", { "--prompts", "5", "--budget", "calls=2" })
  t.eq({ r.code, #s.server.requests() }, { 3, 2 }, "counted across resumes")
  r = engine.run({ "resume", s.study, "--budget", "calls=4" }, { env = { ERLUA_LLM_TIMES = TIMES } })
  t.eq({ r.code, #s.server.requests() }, { 3, 4 }, r.stderr)
  r = engine.run({ "resume", s.study }, { env = { ERLUA_LLM_TIMES = TIMES } })
  t.eq({ r.code, #s.server.requests() }, { 3, 4 }, "the study keeps the last one")
  r = s.run("ok", { "--prompts", "5" })
  t.eq({ r.code, #s.server.requests() }, { 0, 5 }, r.stderr)
  s.replay()
end)

t.test("a budget of tokens counts what is on its way by estimate", function()
  local s = setup()
  local r = s.run("ok", { "--prompts", "20", "--budget", "tokens=300", "--max", "200" })
  t.eq(r.code, 3, r.stderr)
  t.match(r.stderr, "the budget is spent: %d+ tokens of 300 tokens")
  t.ok(math.tointeger(tonumber(s.sql("SELECT sum(input + output) FROM calls"))) <= 300)
  t.ok(#s.server.requests() >= 2)
end)

t.test("a money budget wants a price for every model, before anything is made", function()
  local s = setup()
  local args = { "strategies/bestofn.lua", "--env", engine.env, "--study", s.study, "--model", "openai:m@" .. s.url, "--budget", "cost=1" }
  local r = engine.run(args)
  t.eq(r.code, 2)
  t.match(r.stderr, "nobody knows what openai:m@.* costs, so money cannot be counted. Write its price into .*prices.lua")
  t.eq(t.read(s.study .. "/study.db"), nil)
end)

t.test("nor is a model asked that the script itself has made, until it has a price", function()
  local s = setup()
  local prices = t.write(s.dir .. "/prices.lua", "return {}")
  local r = s.run("ok", { "--budget", "cost=1" }, { ERLUA_PRICES = prices })
  t.eq(r.code, 3, r.stderr)
  t.match(r.stderr, "nobody knows what openai:ok@.* costs")
  t.eq(#s.server.requests(), 0)
  t.write(prices, 'return { ["openai:*@127.0.0.1:*"] = { input = 1, output = 1 } }')
  r = s.run("ok", { "--budget", "cost=1" }, { ERLUA_PRICES = prices })
  t.eq({ r.code, sorted(r.stdout) }, { 0, WORDS }, r.stderr)
  s.replay()
end)

t.test("money is counted, shown and held to its budget", function()
  local s = setup()
  local prices = t.write(s.dir .. "/prices.lua", 'return { ["openai:*@127.0.0.1*"] = { input = 1000, output = 10000 } }')
  local r = s.run("ok", { "--prompts", "40", "--budget", "cost=3", "--concurrency", "1" }, { ERLUA_PRICES = prices })
  t.eq(r.code, 3, r.stderr)
  t.match(r.stderr, "the budget is spent: %$%d%.%d%d of %$3.00; another call may take %$%d")
  local spent = tonumber(s.sql("SELECT sum(cost) FROM calls"))
  t.ok(spent > 0.5 and spent <= 3, spent)
end)

t.test("a budget that cannot be read is exit 2 with what is wrong", function()
  local dir = t.tmpdir()
  local r = engine.run { "strategies/bestofn.lua", "--env", engine.env, "--study", dir .. "/s", "--budget", "cost=lots" }
  t.eq(r.code, 2)
  t.match(r.stderr, "%-%-budget: 'cost' wants dollars, as cost=20, but got 'lots'")
  t.eq(engine.run({ "strategies/bestofn.lua", "--env", engine.env, "--study", dir .. "/s", "--patience", "long" }).code, 2)
end)

t.test("a budget of jobs is held with builtin:mutate, too, and the study goes on with a larger one", function()
  local dir = t.tmpdir()
  local function run(budget)
    return engine.run({ "strategies/bestofn.lua", "--env", engine.env, "--study", dir .. "/s", "--epochs", "1", "--batch", "6", "--slots", "2",
      "--budget", budget })
  end
  local r = run("jobs=7")
  t.eq(r.code, 3, r.stderr)
  t.match(r.stderr, "the budget is spent: 7 jobs of 7 jobs")
  t.eq(engine.sql(dir .. "/s", "SELECT count(*) FROM jobs WHERE ended IS NOT NULL"), "7")
  r = run("jobs=9")
  t.eq({ r.code, engine.sql(dir .. "/s", "SELECT count(*) FROM jobs WHERE ended IS NOT NULL") }, { 3, "9" }, r.stderr)
  r = run("jobs=1000")
  t.eq(r.code, 0, r.stderr)
  t.eq(engine.run({ "replay", dir .. "/s" }).code, 0)
end)

t.test("a budget of GPU-hours counts the time of the jobs that hold GPUs, and the study goes on with a larger one", function()
  local dir = t.tmpdir()
  t.write(dir .. "/env/env.lua", [[return { name = "gpu", editable = { "idea.lua" }, train = { "sh", "-c", "sleep 0.05; echo 1 > $ERLUA_OUT/a" },
    evaluate = { "sh", "-c", 'echo "{\\"score\\": 1}" > $ERLUA_METRICS' }, metric = "score", direction = "max", limits = { gpus = 1 } }]])
  t.write(dir .. "/env/idea.lua", "return 1.5\n")
  local function run(budget)
    return engine.run({ "strategies/bestofn.lua", "--env", dir .. "/env", "--study", dir .. "/s", "--epochs", "1", "--batch", "4", "--repeats", "1",
      "--confirm", "0", "--budget", budget }, { env = { CUDA_VISIBLE_DEVICES = "0,1" } })
  end
  local r = run("gpu_hours=0.00001")
  t.eq(r.code, 3, r.stderr)
  t.match(r.stderr, "the budget is spent: %S+ GPU%-hours of 1e%-05 GPU%-hours")
  r = run("gpu_hours=5")
  t.eq(r.code, 0, r.stderr)
  t.match(r.stderr, "%d GPU%-hours/5")
  t.eq(engine.sql(dir .. "/s", "SELECT count(*) FROM trials WHERE outcome = 'ok'"), "5")
end)

t.test("a budget of time also ends a study whose calls wait for a model, or are tried again", function()
  for steps, times in pairs { ["503"] = TIMES, ["429@0.05"] = "backoff=0.01 probe=60 probe_max=60", ["500"] = "backoff=0.01 probe=60" } do
    local s = setup()
    local r = s.run(steps, { "--budget", "wall=0.5s" }, { ERLUA_LLM_TIMES = times })
    t.eq(r.code, 3, r.stderr)
    t.match(r.stderr, "the budget is spent: %S+ of 0.5s")
  end
end)

t.test("a budget of time ends the study in order", function()
  local dir = t.tmpdir()
  local args = { "strategies/bestofn.lua", "--env", engine.env, "--preset", "slow", "--study", dir .. "/s", "--epochs", "3", "--batch", "20",
    "--slots", "2", "--budget", "wall=0.5s" }
  local r = engine.run(args)
  t.eq(r.code, 3, r.stderr)
  t.match(r.stderr, "the budget is spent: %S+ of 0.5s")
  r = engine.run(args)
  t.eq(r.code, 3, "the time of the first engine counts")
end)

return t
