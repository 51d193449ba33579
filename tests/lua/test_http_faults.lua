-- Servers and networks that misbehave: every request ends, with a code and words that help.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local fake = dofile(t.source .. "/tests/lib/fake.lua")
local http = require("erlua.core.http")

-- Sends the request and reads the reply to its end: status, body | nil, message, code, what had come.
local function ask(request)
  local response <close>, message, code = http.request(request)
  if not response then return nil, message, code, "" end
  local parts = {}
  while true do
    local bytes
    bytes, message, code = response:read()
    if not bytes then break end
    parts[#parts + 1] = bytes
  end
  if message then return nil, message, code, table.concat(parts) end
  return response.status, table.concat(parts)
end

local function fails(request, want, pattern)
  local status, message, code, before = ask(request)
  t.eq({ status, code }, { nil, want }, message)
  t.match(message, pattern)
  t.no_match(message, "secret")
  return before
end

-- A server that answers these bytes, whatever it is asked.
local function raw(bytes)
  return fake.start(t, string.format("return function(req, res) res:raw(%q) end", bytes))
end

t.test("a reply that is cut ends as an error behind the bytes that came", function()
  local server = fake.start(t, [[return function(req, res)
    res:write("the beginning")
    if req.path == "/rst" then res:sleep(0.02) res:cut()
    elseif req.path == "/fin" then res:close()
    else res:half_close() res:hang() end
  end]])
  for _, how in ipairs { "/rst", "/fin", "/half" } do
    t.eq(fails({ url = server.url .. how }, "ECUT", how .. " failed: .*ended before the reply did"), "the beginning")
  end
end)

t.test("a connection that ends without a reply is an error", function()
  local server = fake.start(t, [[return function(req, res) if req.path == "/rst" then res:cut() else res:close() end end]])
  fails({ url = server.url .. "/rst" }, "ECUT", "ended before the reply")
  fails({ url = server.url .. "/fin" }, "ECUT", "ended before the reply")
end)

t.test("a body shorter than its length is an error", function()
  local server = raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
  t.eq(fails({ url = server.url }, "ECUT", "95 bytes remaining"), "short")
end)

t.test("chunks that do not fit together are an error", function()
  local server = raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\nabc\r\n")
  t.eq(fails({ url = server.url }, "EPROTO", "do not fit together"), "abc")
end)

t.test("a server that does not speak HTTP is an error", function()
  fails({ url = raw("hello\n").url }, "EPROTO", "does not speak HTTP")
  fails({ url = raw("SSH-2.0-OpenSSH_9.2p1\r\n").url }, "EPROTO", "does not speak HTTP")
  fails({ url = raw("HTTP/1.1 2x0 OK\r\n\r\n").url }, "EPROTO", "HTTP")
end)

t.test("a head without end is an error, and a large one is none", function()
  local large = raw("HTTP/1.1 200 OK\r\nX-Large: " .. ("x"):rep(60000) .. "\r\nContent-Length: 2\r\n\r\nok")
  t.eq({ ask { url = large.url } }, { 200, "ok" })
  local endless = fake.start(t, [[return function(req, res)
    res:raw("HTTP/1.1 200 OK\r\n")
    for i = 1, 1000 do res:raw("X-" .. i .. ": " .. ("x"):rep(10000) .. "\r\n") end
  end]])
  fails({ url = endless.url }, "ETOOBIG", "the head of its reply is larger than")
  local line = fake.start(t, [[return function(req, res)
    res:raw("HTTP/1.1 200 OK\r\nX: ")
    for i = 1, 100 do res:raw(("x"):rep(100000)) end
  end]])
  fails({ url = line.url }, "ETOOBIG", "its head has a line of over 100 KB")
end)

t.test("a body larger than max_bytes is an error, and its connection is closed", function()
  local server = fake.start(t, [[return function(req, res) while true do res:write(("x"):rep(10000)) end end]])
  local before = fails({ url = server.url, max_bytes = 1000000 }, "ETOOBIG", "its reply is larger than 1000000 bytes")
  t.ok(#before <= 1000000)
  t.await("the server sees it", function() return #server.gone() == 1 end)
  t.eq({ ask { url = raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345").url, max_bytes = 5 } }, { 200, "12345" })
end)

t.test("silence ends by idle_timeout, before the reply and within it", function()
  local server = fake.start(t, [[return function(req, res)
    if req.path == "/begun" then res:write("so far") end
    res:hang()
  end]])
  fails({ url = server.url, idle_timeout = 0.1 }, "EIDLE", "no byte for 0.1 s.*there is no reply")
  t.eq(fails({ url = server.url .. "/begun", idle_timeout = 0.1 }, "EIDLE", "has begun and not ended"), "so far")
  t.await("both connections are closed", function() return #server.gone() == 2 end)
end)

t.test("every byte puts the idle limit off", function()
  local server = fake.start(t, [[return function(req, res)
    for i = 1, 8 do res:sleep(tonumber(req.path:match("[%d.]+"))) res:write("x") end end]])
  local got
  for _, pause in ipairs { 0.1, 0.5, 3 } do             -- a busy machine adds pauses of its own
    got = { ask { url = server.url .. "/" .. pause, idle_timeout = 6 * pause } }
    if got[1] then break end
  end
  t.eq(got, { 200, "xxxxxxxx" })
end)

t.test("a reply that drips on for ever ends by timeout", function()
  local server = fake.start(t, [[return function(req, res) while true do res:sleep(0.02) res:write("x") end end]])
  fails({ url = server.url, timeout = 0.3 }, "ETIMEDOUT", "%(timeout%)")
end)

t.test("a server that takes the connection and no more ends by connect_timeout", function()
  local server = fake.start(t, [[return function(req, res) end]])
  fails({ url = server.url:gsub("^http:", "https:"), connect_timeout = 0.2 }, "ETIMEDOUT", "connect_timeout")
end)

t.test("nobody listens", function()
  fails({ url = "http://127.0.0.1:1/x?key=secret", headers = { "X-Key: secret" } }, "ECONNECT", "/x failed: .*check that a server listens")
end)

t.test("a name that does not exist", function()
  fails({ url = "http://user:secret@nowhere.invalid/?secret" }, "EDNS", "nowhere.invalid.*check the name")
end)

t.test("a task that is cancelled closes its socket at once, wherever it waits", function()
  local server = fake.start(t, [[return function(req, res)
    if req.path == "/begun" then res:write("so far") end
    res:hang()
  end]])
  for i, path in ipairs { "/", "/begun" } do
    local task = erlua.spawn(function() ask { url = server.url .. path } end)
    t.await("the request is there", function() return #server.requests() == i end)
    if path == "/begun" then erlua.sleep(0.05) end
    task:cancel()
    task:wait()
    t.await("the server sees the end", function() return #server.gone() == i end)
  end
end)

t.test("a task that is cancelled while it connects leaves nothing behind", function()
  local server, tasks = fake.start(t, [[return function(req, res) end]]), {}
  local function open() return server.stats().open end
  for i = 1, 20 do
    tasks[i] = erlua.spawn(function() ask { url = server.url:gsub("^http:", "https:") .. "/" .. i, connect_timeout = 60 } end)
  end
  t.await("they speak TLS to a server that does not answer", function() return open() > 1 end)
  for _, task in ipairs(tasks) do task:cancel() end
  for _, task in ipairs(tasks) do t.eq(task:wait(), false) end
  t.await("their connections are closed", function() return open() == 1 end)
end)

-- The reply to a request whose reader waits until the server has stood still for longer than the idle limit.
local function fall_behind(server, path, total, idle)
  local response <close>, message, code = http.request { url = server.url .. path, max_bytes = total, idle_timeout = idle }
  if not response then return nil, message, code end
  local clock, before, since = require("erlua.core.task").clock, nil, 0
  t.await("the server stands still", function()
    local _, sent = ask { url = server.url .. path .. "/sent" }
    if sent ~= before then before, since = sent, clock() end
    return clock() - since > 1.5 * idle
  end)
  t.ok(tonumber(before) < total // 2, "it waits with " .. before .. " bytes sent")
  local n = 0
  while true do
    local bytes
    bytes, message, code = response:read()
    if not bytes then return n, message, code end
    t.ok(#bytes <= 2 << 20, "no more than was kept")
    n = n + #bytes
  end
end

t.test("a reader that falls behind makes the server wait, and is not taken for silence", function()
  local TOTAL = 64 * 1024 * 1024
  local server = fake.start(t, [[local sent = {}
  return function(req, res)
    local path = req.path:match("^/%d+")
    if req.path ~= path then return res:reply(200, nil, tostring(sent[path])) end
    res:head(200)
    sent[path] = 0
    for i = 1, 1024 do res:write(("x"):rep(65536)) sent[path] = sent[path] + 65536 end
  end]])
  local n, message, code
  for i, idle in ipairs { 0.2, 2, 20 } do               -- the server of a busy machine may be silent by itself
    n, message, code = fall_behind(server, "/" .. i, TOTAL, idle)
    if code ~= "EIDLE" then break end
  end
  t.eq({ n, message }, { TOTAL })
end)

t.test("a request on a kept connection that dies is not sent a second time", function()
  local server = fake.start(t, [[local first = {}
  return function(req, res)
    if not first[req.connection] then first[req.connection] = true return res:reply(200, nil, "ok") end
    if req.path == "/rst" then res:cut() else res:close() end
  end]])
  for i, how in ipairs { "/rst", "/fin" } do
    t.eq({ ask { url = server.url, body = "{}" } }, { 200, "ok" })
    fails({ url = server.url .. how, body = "{}" }, "ECUT", "ended before the reply")
    t.eq(#server.requests(), 2 * i, "each was sent once")
  end
end)

t.test("a connection that the server closed while it was idle costs nobody a request", function()
  local server = fake.start(t, [[return function(req, res) res:raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") end]])
  for _ = 1, 5 do
    t.eq({ ask { url = server.url, body = "{}" } }, { 200, "ok" })
    t.await("it is closed", function() return server.stats().open <= 1 end)
  end
end)

t.test("one bad server among many requests harms no other", function()
  local server = fake.start(t, [[return function(req, res)
    if req.n % 3 == 0 then res:write("x") res:cut() end
    res:sleep(0.01)
    res:reply(200, nil, req.body)
  end]])
  local list, good, bad = {}, 0, 0
  for i = 1, 150 do list[i] = i end
  erlua.map(list, function(i)
    local status, body, code = ask { url = server.url, body = "n" .. i }
    if status then t.eq(body, "n" .. i) good = good + 1
    else t.eq(code, "ECUT") bad = bad + 1 end
  end, { parallel = 150 })
  t.eq({ good, bad }, { 100, 50 })
end)

return t
