-- One retry layer: what is asked again and how often, what is not, who waits for whom.
-- The server goes wrong as the model's name says (tests/fake/faults.lua).

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local fake = dofile(t.source .. "/tests/lib/fake.lua")
local json = require("erlua.json")
local gates = require("erlua.llm.gate")
local rooms = require("erlua.llm.room")
local ledgers = require("erlua.llm.ledger")

require("erlua.llm.times").set { backoff = 0.002, cap = 0.004, honoured = 2, minute = 0.5 }

local FORMATS = { "openai", "anthropic" }

-- A server, and models on it that go wrong as their name says.
local function server()
  gates.configure {}
  rooms.begin(ledgers.new(), false)
  local s = fake.start(t, "faults")
  function s.model(steps, options) return erlua.llm((options and options.format or "openai") .. ":" .. steps .. "@" .. s.url .. "/v1", options and options.with) end
  function s.both(fn)
    for _, format in ipairs(FORMATS) do fn(function(steps, with) return s.model(steps, { format = format, with = with }) end, format) end
  end
  return s
end

local function bodies(s)
  local out = {}
  for i, r in ipairs(s.requests()) do out[i] = assert(json.decode(r.body)) end
  return out
end

-- ---- what is asked again ----------------------------------------------------------------------------

t.test("whatever may pass is asked for again, in both formats, until the reply is whole", function()
  local s = server()
  s.both(function(model, format)
    local before = #s.requests()
    local faults = { "408", "409", "429", "500", "502", "503", "529", "event-529", "event-500", "cut", "early", "short", "halfclose", "badjson", "html" }
    for _, fault in ipairs(faults) do
      local reply = assert(model(fault .. "+ok"):chat("hello"))
      t.eq({ reply.text, reply.attempts }, { "reply 2: the word is hello", 2 }, format .. " " .. fault)
    end
    t.eq(#s.requests() - before, 2 * #faults)
  end)
end)

t.test("a call makes at most six requests, whatever goes wrong each time", function()
  local s = server()
  s.both(function(model, format)
    for _, fault in ipairs { "429", "500", "529", "event-529", "cut", "early" } do
      local before = #s.requests()
      local reply, message, code = model(fault):chat("hello")
      t.eq(reply, nil)
      t.ok(code and #message > 10, message)
      t.eq(#s.requests() - before, 6, format .. " " .. fault)
    end
  end)
end)

t.test("what will not pass fails at once with the provider's message", function()
  local s = server()
  s.both(function(model, format)
    for _, fault in ipairs { "400", "401", "402", "403", "404", "413", "422", "quota", "context" } do
      local before = #s.requests()
      local reply, message = model(fault):chat("hello")
      t.eq(reply, nil)
      t.match(message, fault == "quota" and "exceeded your current quota" or fault == "context" and "prompt is too long" or "this is a " .. fault)
      t.eq(#s.requests() - before, 1, format .. " " .. fault)
    end
  end)
end)

t.test("nobody listening, and a name that does not exist, are failures that say what to do", function()
  server()
  local reply, message, code = erlua.llm("openai:x@http://127.0.0.1:1/v1"):chat("hello")
  t.eq({ reply, code }, { nil, "connect" })
  t.match(message, "check that a server listens")
  reply, message, code = erlua.llm("openai:x@http://nowhere.invalid/v1"):chat("hello")
  t.eq({ reply, code }, { nil, "dns" })
  t.match(message, "nowhere.invalid")
end)

t.test("Retry-After is waited for, in both of its forms", function()
  local s = server()
  for _, fault in ipairs { "429@0.2", "503@200ms" } do
    local before = #s.requests()
    assert(s.model(fault .. "+ok"):chat("hello"))
    local r = s.requests()
    t.ok(r[before + 2].time - r[before + 1].time >= 0.2, fault)
  end
end)

t.test("a Retry-After that is too long to wait for ends a call outside a study", function()
  local s = server()
  local reply, message, code = s.model("429@3600"):chat("hello")
  t.eq({ reply, code }, { nil, "rate_limit" })
  t.eq(#s.requests(), 1)
end)

t.test("x-should-retry is obeyed", function()
  local s = server()
  t.eq(s.model("500!false"):chat("hello"), nil)
  t.eq(#s.requests(), 1)
  assert(s.model("400!true+ok"):chat("hello"))
  t.eq(#s.requests(), 3)
end)

-- ---- what is not asked again ---------------------------------------------------------------------------

t.test("a model that refused a prompt is not asked it again, and is asked another", function()
  local s = server()
  s.both(function(model)
    local llm, before = model("refuse"), #s.requests()
    for _ = 1, 3 do
      local reply, message, code = llm:chat("how to?")
      t.eq({ reply, message, code }, { nil, "not this", "refusal" })
    end
    t.eq(#s.requests() - before, 1)
    llm:chat("how else?")
    t.eq(#s.requests() - before, 2)
  end)
end)

t.test("of several samples of a refused prompt only those are sent that were on their way", function()
  local s = server()
  local codes = {}
  for i, _, _, code in s.model("refuse"):samples("how to?", 5) do codes[i] = code end
  t.eq(codes, { "refusal", "refusal", "refusal", "refusal", "refusal" })
  local sent = #s.requests()
  for _ in s.model("refuse"):samples("how to?", 5) do end
  t.eq(#s.requests(), sent)
end)

t.test("a first sample that refuses word by word lets none of the others go", function()
  gates.configure {}
  rooms.begin(ledgers.new(), false)
  local s = fake.start(t, [[
    return function(req, res)
      res:head(200, { ["Content-Type"] = "text/event-stream" })
      for _, word in ipairs { "I ", "would ", "rather ", "not" } do
        res:write('data: {"choices":[{"index":0,"delta":{"refusal":"' .. word .. '"},"finish_reason":null}]}\n\n')
        res:sleep(0.02)
      end
      res:write('data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
    end
  ]])
  for _, reply, message, code in erlua.llm("openai:m@" .. s.url):samples("how to?", 5) do
    t.eq({ reply, message, code }, { nil, "I would rather not", "refusal" })
  end
  t.eq(#s.requests(), 1)
end)

t.test("a fallback takes over what was refused, and nothing else", function()
  local s = server()
  local llm = s.model("refuse", { with = { fallback = "anthropic:ok@" .. s.url } })
  for _ = 1, 2 do
    local reply = assert(llm:chat("how to?"))
    t.match(reply.model, "^anthropic:ok@")
    t.eq(reply.refused, "not this")
  end
  t.eq(#s.requests(), 3, "the first model was asked once")
  llm = s.model("400", { with = { fallback = "anthropic:ok@" .. s.url } })
  t.eq(select(3, llm:chat("hello")), "bad_request")
end)

t.test("a reply that was cut is asked for once more with twice the room", function()
  local s = server()
  s.both(function(model)
    local before = #s.requests()
    local reply = assert(model("length+ok"):chat { prompt = "hello", max_tokens = 100 })
    t.eq(reply.attempts, 2)
    local b = bodies(s)
    t.eq({ b[before + 1].max_tokens, b[before + 2].max_tokens }, { 100, 200 })
    local message, code
    reply, message, code = model("length"):chat { prompt = "hello", max_tokens = 100 }
    t.eq({ reply, code }, { nil, "truncated" })
    t.match(message, "max_tokens = 200")
    t.eq(#s.requests() - before, 4)
  end)
end)

t.test("a reply that was cut because the context was full says so", function()
  gates.configure {}
  rooms.begin(ledgers.new(), false)
  local s = fake.start(t, [[
    local openai = require("openai")
    return function(req, res)
      openai.answer(req, res, { text = "half", finish = "length", usage = { prompt_tokens = 995, completion_tokens = 5, total_tokens = 1000 } })
    end
  ]])
  local reply, message, code = erlua.llm("openai:m@" .. s.url):chat("hello")
  t.eq({ reply, code, #s.requests() }, { nil, "truncated", 2 })
  t.match(message, "cut at 5 tokens.*context was full")
end)

t.test("what both requests of a cut reply took is paid for", function()
  local s = server()
  local one = assert(s.model("ok"):chat("hello there"))
  local two = assert(s.model("length+ok"):chat("hello there"))
  t.eq(two.usage.input, 2 * one.usage.input)
end)

t.test("an optional parameter that a model does not take is left out from then on", function()
  local s = server()
  s.both(function(model)
    local before = #s.requests()
    local llm = model("badparam-temperature")
    for _ = 1, 3 do assert(llm:chat { prompt = "hello", temperature = 0.5, top_p = 0.9 }) end
    local b = bodies(s)
    t.eq(#b - before, 4)
    t.ok(b[before + 1].temperature)
    for i = before + 2, before + 4 do
      t.eq(b[i].temperature, nil)
      t.eq(b[i].top_p, 0.9)
    end
  end)
end)

t.test("several calls that learn of it at once all go on without it", function()
  local s = server()
  local llm = s.model("badparam-temperature")
  local texts = erlua.map({ 1, 2, 3, 4 }, function(i) return assert(llm:chat { prompt = "hello " .. i, temperature = 0.5 }).text end)
  t.eq(#texts, 4)
end)

-- ---- odd replies -----------------------------------------------------------------------------------

t.test("duplicate events and bad UTF-8 do no harm", function()
  local s = server()
  s.both(function(model)
    t.eq(assert(model("dup"):chat("hello")).text, "reply 1: the word is hello")
    t.match(assert(model("badutf8"):chat("hello")).text, "^reply 1: the \u{FFFD}")
  end)
end)

t.test("a call that takes too long ends with its own timeout", function()
  local s = server()
  local function sent(prompt)
    local n = 0
    for _, body in ipairs(bodies(s)) do n = n + (body.messages[1].content == prompt and 1 or 0) end
    return n
  end
  local prompt
  for _, timeout in ipairs { 0.05, 0.5, 5 } do          -- it may be over before a busy machine has sent the request
    prompt = "hello for " .. timeout
    local reply, _, code = s.model("hang"):chat { prompt = prompt, timeout = timeout }
    t.eq({ reply, code }, { nil, "timeout" })
    for _ = 1, 200 do if sent(prompt) < 6 then erlua.sleep(0.005) end end
    if sent(prompt) == 6 then break end
  end
  t.eq(sent(prompt), 6)
end)

t.test("a clock that jumps changes nothing", function()
  local s, host = server(), require("erlua.core.host")
  local time, jumps = host.time, 0
  host.time = function()
    jumps = jumps + 1
    return time() + (jumps % 2 == 0 and 1 or -1) * 1e8
  end
  local restore <close> = setmetatable({}, { __close = function() host.time = time end })
  local reply = assert(s.model("429@0.1+503+ok"):chat("hello"))
  t.ok(reply.attempts == 3 and reply.latency >= 0 and reply.latency < 30, reply.latency)
  local r = s.requests()
  t.ok(r[2].time - r[1].time >= 0.1)
end)

-- ---- many at once ----------------------------------------------------------------------------------

t.test("at most so many requests are in flight at an endpoint, whichever model asks", function()
  local s = server()
  local with = { concurrency = 3 }
  local a, b = s.model("slow", { with = with }), s.model("slow", { with = with, format = "anthropic" })
  local n = {}
  for i = 1, 12 do n[i] = i end
  erlua.map(n, function(i) assert((i % 2 == 0 and a or b):chat("hello " .. i)) end)
  t.eq(s.stats().max_active, 3)
end)

t.test("requests a minute are held to their limit", function()
  local s = server()
  local llm = s.model("ok", { with = { rpm = 4 } })
  local n = {}
  for i = 1, 12 do n[i] = i end
  local clock = require("erlua.core.task").clock
  local began = clock()
  erlua.map(n, function(i) assert(llm:chat("hello " .. i)) end)
  t.eq(#s.requests(), 12)
  local took = clock() - began                 -- when requests arrive says less: a busy server sees them late
  t.ok(took >= 0.99, "twelve requests at four a minute (of this test) took " .. took)
end)

t.test("under a limit that the server holds all calls come through, and few requests are in vain", function()
  gates.configure {}
  rooms.begin(ledgers.new(), false)
  local s = fake.start(t, [[
    local openai, active = require("openai"), 0
    return function(req, res)
      if active >= 4 then return res:reply(429, { ["retry-after-ms"] = "20" }, "{}") end
      active = active + 1
      res:sleep(0.01)
      openai.answer(req, res, { text = "yes" })
      active = active - 1
    end
  ]])
  local llm, n, failed = erlua.llm("openai:m@" .. s.url), {}, 0
  for i = 1, 100 do n[i] = i end
  erlua.map(n, function(i) if not llm:chat("hello " .. i) then failed = failed + 1 end end)
  t.eq(failed, 0)
  t.ok(#s.requests() < 250, #s.requests() .. " requests for 100 calls")
end)

t.test("the first sample goes ahead, the others follow when its reply begins", function()
  gates.configure {}
  local s = fake.start(t, [[
    local openai = require("openai")
    local first = true
    return function(req, res)
      if first then first = false res:sleep(0.1) end
      openai.answer(req, res, { text = "yes" })
    end
  ]])
  local seen = 0
  for _ in erlua.llm("openai:m@" .. s.url):samples("hello", 4) do seen = seen + 1 end
  local r = s.requests()
  t.eq({ seen, #r }, { 4, 4 })
  for i = 2, 4 do t.ok(r[i].time - r[1].time >= 0.1) end
end)

t.test("when the first sample fails the others are sent all the same", function()
  local s = server()
  local replies = 0
  for _, reply in s.model("400+ok"):samples("hello", 4) do replies = replies + (reply and 1 or 0) end
  t.eq({ replies, #s.requests() }, { 3, 4 })
end)

t.test("leaving the loop cancels the samples that are left, whose connections go at once", function()
  gates.configure {}
  local s = fake.start(t, [[
    local openai = require("openai")
    return function(req, res)
      if req.n == 1 then return openai.answer(req, res, { text = "yes" }) end
      res:hang()
    end
  ]])
  for i, reply in erlua.llm("openai:m@" .. s.url):samples("hello", 4) do
    t.eq({ i, reply.text }, { 1, "yes" })
    t.await("the others are on their way", function() return #s.requests() == 4 end)
    break
  end
  t.await("the others are gone", function() return #s.gone() == 3 end)
end)

t.test("n asks so often and gives a list; a seed is another one for each", function()
  local s = server()
  local replies = assert(s.model("ok"):chat { prompt = "hello", n = 3, seed = 7 })
  t.eq(#replies, 3)
  local seeds = {}
  for i, b in ipairs(bodies(s)) do seeds[i] = b.seed end
  table.sort(seeds)
  t.eq(seeds, { 7, 8, 9 })
end)

-- ---- misuse ------------------------------------------------------------------------------------------

t.test("a question that makes no sense raises and says what is wrong", function()
  local llm = erlua.llm("openai:x@http://127.0.0.1:1")
  t.raises(function() llm:chat {} end, "give either prompt or messages")
  t.raises(function() llm:chat { prompt = "a", messages = {} } end, "give either prompt or messages")
  t.raises(function() llm:chat { prompt = "a", temprature = 1 } end, "unknown field 'temprature'; did you mean 'temperature'%?")
  t.raises(function() llm:chat { prompt = "a", temperature = "hot" } end, "field 'temperature' must be a number, but is a string")
  t.raises(function() llm:chat { messages = { { role = "wizard", content = "a" } } } end, "role is user, assistant or system")
  t.raises(function() llm:chat { messages = { { role = "user" } } } end, "message 1 needs a content")
  t.raises(function() llm:chat { prompt = "a", timeout = 0 } end, "timeout")
  t.raises(function() llm:samples("a", 0) end, "whole number from 1 up")
  t.raises(function() erlua.llm("opnai:x") end, "did you mean openai")
  t.raises(function() erlua.llm("openai:x", { fallbak = "y" }) end, "unknown option 'fallbak'")
end)

return t
