-- The gate of an endpoint: who may go, what a 429 does to all, what waits while nothing answers.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local paces = require("erlua.llm.pace")
local retry = require("erlua.llm.retry")
local gates = require("erlua.llm.gate")

-- ---- a minute's allowance -----------------------------------------------------------------------

-- Sends as fast as the pace allows for some seconds; the times of what was sent.
local function flood(pace, seconds, tokens)
  local now, sent = 0, {}
  while now < seconds do
    local wait = pace:wait(now, tokens)
    if wait > 0 then now = now + wait
    else
      pace:note(now, tokens)
      sent[#sent + 1] = now
      now = now + 0.01
    end
  end
  return sent
end

local function most_in_a_minute(times)
  local most, first = 0, 1
  for i, time in ipairs(times) do
    while times[first] + 60 <= time do first = first + 1 end
    most = math.max(most, i - first + 1)
  end
  return most
end

t.test("no minute, wherever it begins, holds more requests than allowed, and no fewer go than may", function()
  local sent = flood(paces.new(7, nil, 60), 600, 0)
  t.eq(most_in_a_minute(sent), 7)
  t.ok(#sent >= 70, "it used what it had: " .. #sent)
end)

t.test("no minute holds more tokens than allowed", function()
  local sent = flood(paces.new(nil, 1000, 60), 600, 300)
  t.eq(most_in_a_minute(sent), 3)
end)

t.test("a request that is larger than a minute's tokens goes when nothing else was sent", function()
  local pace = paces.new(nil, 100, 60)
  t.eq(pace:wait(0, 5000), 0)
  pace:note(0, 5000)
  t.eq(pace:wait(10, 1), 50)
  t.eq(pace:wait(60, 5000), 0)
end)

t.test("what a request really took is what counts", function()
  local pace = paces.new(nil, 100, 60)
  local entry = pace:note(0, 90)
  t.eq(pace:wait(1, 50), 59)
  pace:correct(entry, 10)
  t.eq(pace:wait(1, 50), 0)
  pace:correct(pace:note(1, 1), 95)
  t.eq(pace:wait(2, 1), 58, "until the first ten are a minute ago")
end)

-- ---- what a failure means --------------------------------------------------------------------------

t.test("what may pass is tried again, what will not fails at once, what a person must mend stops", function()
  local again = { "connect", "dns", "tls", "timeout", "idle", "cut", "garbled", "rate_limit", "overloaded", "server" }
  for _, code in ipairs(again) do t.eq(retry.verdict { code = code }, "again", code) end
  for _, code in ipairs { "bad_request", "too_large", "context" } do t.eq(retry.verdict { code = code }, "fail", code) end
  for _, code in ipairs { "auth", "billing", "quota", "no_key" } do t.eq(retry.verdict { code = code }, "stop", code) end
  for _, code in ipairs { "permission", "not_found", "responses_only" } do
    t.eq(retry.verdict({ code = code }, false), "stop", code .. " of a model that never answered")
    t.eq(retry.verdict({ code = code }, true), "fail", code .. " of one that did")
  end
  t.eq(retry.verdict({ code = "url" }, false), "stop", "a page in the place of a reply: a wrong URL")
  t.eq(retry.verdict({ code = "url" }, true), "again", "the same from an endpoint that has answered: something in between")
end)

t.test("x-should-retry wins over the status, and not over a key or an account", function()
  t.eq(retry.verdict { code = "bad_request", should_retry = true }, "again")
  t.eq(retry.verdict { code = "rate_limit", should_retry = false }, "fail")
  t.eq(retry.verdict { code = "quota", should_retry = true }, "stop")
end)

t.test("back-off is anywhere between at once and a limit that doubles up to a cap", function()
  local function most() return 1 end
  local limits = {}
  for n = 1, 8 do limits[n] = retry.backoff(n, most) end
  t.eq(limits, { 1, 2, 4, 8, 16, 32, 60, 60 })
  t.eq(retry.backoff(5, function() return 0 end), 0)
  t.eq({ retry.delay({ retry_after = 7 }, 1, function() return 0 end) }, { 7, true })
  t.eq({ retry.delay({}, 3, most) }, { 4, false })
end)

-- ---- the gate ----------------------------------------------------------------------------------------

-- A gate of its own; calls that go through it one after the other note when they are inside.
local count = 0
local function gate(own)
  count = count + 1
  gates.configure {}
  return gates.of("http://test:" .. count, own)
end

local function inside(g, fn)
  return erlua.spawn(function()
    local pass <close> = g:enter(10)
    return fn(pass)
  end)
end

local function settle() erlua.sleep(0.002) end

t.test("at most so many are inside, and they go in the order they came", function()
  local g, order, release = gate { concurrency = 2 }, {}, {}
  local tasks = {}
  for i = 1, 5 do
    tasks[i] = inside(g, function()
      order[#order + 1] = i
      while not release[i] do erlua.sleep(0.001) end
    end)
  end
  settle()
  t.eq(order, { 1, 2 })
  release[2] = true
  tasks[2]:wait()
  settle()
  t.eq(order, { 1, 2, 3 })
  for i = 1, 5 do release[i] = true end
  for i = 1, 5 do tasks[i]:wait() end
  t.eq(order, { 1, 2, 3, 4, 5 })
  t.eq(g.in_flight, 0)
end)

t.test("one that is cancelled in the queue or inside leaves no gap", function()
  local g, order = gate { concurrency = 1 }, {}
  local first = inside(g, function() order[#order + 1] = 1 erlua.sleep(60) end)
  local second = inside(g, function() order[#order + 1] = 2 end)
  local third = inside(g, function() order[#order + 1] = 3 end)
  settle()
  second:cancel()
  first:cancel()
  t.eq({ third:wait() }, { true })
  second:wait()
  first:wait()
  t.eq(order, { 1, 3 })
  t.eq({ g.in_flight, #g.queue }, { 0, 0 })
end)

t.test("a 429 halves what is in flight, once for all that were sent before it was known", function()
  local g, passes = gate { concurrency = 16 }, {}
  for i = 1, 16 do passes[i] = g:enter(1) end
  for i = 1, 16 do
    passes[i]:failed({ code = "rate_limit", message = "slow down" }, 0)
    passes[i]:close()
  end
  t.eq(g.window, 8)
  local pass = g:enter(1)
  pass:failed({ code = "overloaded", message = "busy" }, 0)
  pass:close()
  t.eq(g.window, 1, "half of the one in flight")
end)

local function answered(g)
  local pass <close> = g:enter(1)
  pass:answered(1)
end

t.test("after a 429 the number in flight ramps up again, fast to where it was well and then slowly", function()
  local g = gate { concurrency = 64 }
  local passes = {}
  for i = 1, 64 do passes[i] = g:enter(1) end
  passes[1]:failed({ code = "rate_limit", message = "" }, 0)
  for i = 1, 64 do passes[i]:close() end
  t.eq(g.window, 32)
  g.window = 4
  for _ = 1, 28 do answered(g) end
  t.eq(g.window, 32)
  for _ = 1, 32 do answered(g) end
  t.ok(g.window > 32.9 and g.window < 33.1, "one more a round: " .. g.window)
  for _ = 1, 5000 do answered(g) end
  t.eq(g.window, 64)
end)

t.test("a Retry-After closes the gate for all", function()
  local g = gate()
  local pass = g:enter(1)
  pass:failed({ code = "rate_limit", message = "" }, 0.05)
  pass:close()
  local began = require("erlua.core.task").clock()
  g:enter(1):close()
  t.ok(require("erlua.core.task").clock() - began >= 0.045)
end)

t.test("headers that say that nothing is left close the gate until the reset", function()
  local g = gate()
  local pass = g:enter(1)
  local began = require("erlua.core.task").clock()
  pass:answered(1, { requests_left = 0, tokens_left = 100, reset = 0.05 })
  pass:close()
  t.ok(g.paused >= began + 0.05)
  pass = g:enter(1)
  pass:answered(1, { requests_left = 5, tokens_left = 100, reset = 60 })
  t.ok(g.paused <= require("erlua.core.task").clock(), "there is something left")
end)

return t
