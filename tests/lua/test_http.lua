-- Requests and their replies: bytes both ways, as they come, and what is refused before a byte is sent.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local fake = dofile(t.source .. "/tests/lib/fake.lua")
local http = require("erlua.core.http")

local ECHO = [[return function(req, res) res:reply(200, { "X-Method: " .. req.method }, req.body) end]]

-- Reads a reply to its end: the bytes | nil, message, code, and the parts that came.
local function read_all(response)
  local parts = {}
  while true do
    local bytes, message, code = response:read()
    if not bytes then
      if message then return nil, message, code, parts end
      return table.concat(parts), nil, nil, parts
    end
    t.ok(#bytes > 0, "a part is never empty")
    parts[#parts + 1] = bytes
  end
end

local function get(request)
  local response <close>, message, code = http.request(request)
  if not response then return nil, message, code end
  return { status = response.status, headers = response.headers, body = t.ok(read_all(response)) }
end

t.test("a reply has its status, its headers in lower case and its body", function()
  local server = fake.start(t, [[return function(req, res)
    res:reply(418, { "X-One: 1", "x-ONE:  2 ", "Empty:" }, "I'm a teapot") end]])
  local r = get { url = server.url .. "/pot?strong=1" }
  t.eq(r.status, 418)
  t.eq(r.body, "I'm a teapot")
  t.eq({ r.headers["x-one"], r.headers["empty"], r.headers["content-length"] }, { "1, 2", "", "12" })
  local seen = server.requests()[1]
  t.eq({ seen.method, seen.path, seen.body }, { "GET", "/pot?strong=1", "" })
end)

t.test("headers and body arrive as they were given", function()
  local server = fake.start(t, ECHO)
  local r = get { url = server.url, headers = { "X-Key: a b;c", "X-Empty:", "Content-Type: application/json" }, body = '{"a":"ä"}' }
  t.eq(r.body, '{"a":"ä"}')
  local seen = server.requests()[1]
  t.eq({ seen.method, seen.body }, { "POST", '{"a":"ä"}' })
  t.eq({ seen.headers["x-key"], seen.headers["x-empty"], seen.headers["content-type"] }, { "a b;c", "", "application/json" })
  t.match(seen.headers["user-agent"], "^erlua/")
end)

t.test("nothing is added to a request that its caller did not ask for", function()
  local server = fake.start(t, ECHO)
  get { url = server.url, body = ("x"):rep(2 << 20) }
  local names = {}
  for name in pairs(server.requests()[1].headers) do names[#names + 1] = name end
  table.sort(names)
  t.eq(names, { "accept", "content-length", "host", "user-agent" })
end)

t.test("any bytes go both ways, megabytes of them", function()
  local server = fake.start(t, ECHO)
  local bytes = {}
  for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
  bytes = table.concat(bytes):rep(20000)
  local r = get { url = server.url, body = bytes }
  t.ok(r.body == bytes, "5 MB come back as they went")
end)

t.test("every method is sent as it is named", function()
  local server = fake.start(t, ECHO)
  for _, method in ipairs { "GET", "PUT", "DELETE", "PATCH", "OPTIONS", "POST" } do
    t.eq(get { url = server.url, method = method }.headers["x-method"], method)
    local r = get { url = server.url, method = method, body = "b" }
    t.eq({ r.headers["x-method"], r.body }, { method, "b" })
  end
  t.eq(get { url = server.url, body = "" }.headers["x-method"], "POST")
end)

t.test("replies without a body end at once", function()
  local server = fake.start(t, [[return function(req, res)
    if req.path == "/204" then return res:head(204) end
    if req.path == "/304" then return res:head(304) end
    res:reply(200, nil, req.method == "HEAD" and "" or "x") end]])
  t.eq(get { url = server.url .. "/204" }.body, "")
  t.eq(get { url = server.url .. "/304" }.status, 304)
  t.eq(get { url = server.url, method = "HEAD" }.status, 200)
  t.eq(get { url = server.url }.body, "x")
end)

t.test("parts of a stream are handed over as they come, before its end", function()
  local server = fake.start(t, [[local go = {}
  return function(req, res)
    if req.path == "/go" then go[#go + 1] = true return res:reply(200) end
    for i = 1, 3 do
      res:write("part " .. i)
      while #go < i do res:sleep(0.002) end          -- until the client says that it has it
    end
  end]])
  local response <close> = t.ok(http.request { url = server.url })
  for i = 1, 3 do
    t.eq(response:read(), "part " .. i)
    get { url = server.url .. "/go" }
  end
  t.eq({ response:read() }, {})
  t.eq({ response:read() }, {}, "the end stays the end")
end)

t.test("a reply of HTTP/1.0 ends with its connection, interim replies and trailers are passed over", function()
  local server = fake.start(t, [[return function(req, res)
    if req.path == "/old" then res:raw("HTTP/1.0 200 OK\r\n\r\nold bytes")
    else res:raw("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n" ..
      "3\r\nabc\r\n0\r\nX-Trailer: t\r\n\r\n") end
  end]])
  t.eq(get { url = server.url .. "/old" }.body, "old bytes")
  local r = get { url = server.url .. "/new" }
  t.eq({ r.status, r.body, r.headers.link, r.headers["x-trailer"] }, { 201, "abc" })
end)

t.test("requests one after the other share a connection", function()
  local server = fake.start(t, ECHO)
  for i = 1, 20 do t.eq(get { url = server.url, body = "n" .. i }.body, "n" .. i) end
  t.eq(server.stats().connections, 1)
end)

t.test("a thousand requests leave no descriptor behind but the connections that are kept", function()
  local server = fake.start(t, ECHO)
  local function descriptors()
    local pipe = assert(io.popen("ls /proc/" .. require("erlua.core.host").pid() .. "/fd | wc -l"))
    local n = pipe:read("n")
    pipe:close()
    return n
  end
  get { url = server.url }
  local before, list = descriptors(), {}
  for i = 1, 1000 do list[i] = i end
  erlua.map(list, function(i) t.eq(get { url = server.url, body = "n" .. i }.body, "n" .. i) end, { parallel = 50 })
  t.ok(descriptors() - before <= 50, "one a connection")
  t.ok(server.stats().connections <= 51)
end)

t.test("a reply that was closed, or that nobody holds any more, frees its connection", function()
  local server = fake.start(t, [[return function(req, res) res:write("x") res:hang() end]])
  for _ = 1, 3 do
    local response = t.ok(http.request { url = server.url })
    response:close()
    response:close()
    t.raises(function() response:read() end, "was closed")
  end
  t.await("the closed ones are gone", function() return #server.gone() == 3 end)
  do t.ok(http.request { url = server.url }) end
  t.await("the forgotten one is gone", function()
    collectgarbage()
    return #server.gone() == 4
  end)
end)

t.test("closing a reply wakes the task that reads it, and two cannot read one", function()
  local server = fake.start(t, [[return function(req, res) res:write("x") res:hang() end]])
  local response = t.ok(http.request { url = server.url })
  t.eq(response:read(), "x")
  local reader = erlua.spawn(function() return response:read() end)
  erlua.pause()
  t.raises(function() response:read() end, "another task already waits")
  response:close()
  local ok, message = reader:wait()
  t.eq(ok, false)
  t.match(message, "was closed")
end)

t.test("what cannot be a request is refused before a byte is sent", function()
  local server = fake.start(t, ECHO)
  local function refused(request, code, pattern)
    local r, message, got = http.request(request)
    t.eq({ r, got }, { nil, code })
    t.match(message, pattern)
    t.no_match(message, "secret")
  end
  refused({ url = "ftp://host/secret" }, "EURL", "http:// and https:// alone")
  refused({ url = "file:///etc/passwd" }, "EURL", "alone")
  refused({ url = "127.0.0.1:80" }, "EURL", "write it as http://")
  refused({ url = "" }, "EURL", "write it as http://")
  refused({ url = "http://" }, "EURL", "write it as http://")
  refused({ url = server.url .. "/a b" }, "EURL", "write it as http://")
  refused({ url = server.url .. "/a\r\nX: y" }, "EURL", "write it as http://")
  refused({ url = server.url, method = "GET /secret HTTP/1.1\r\nX: y\r\n\r\n" }, "EURL", "method")
  refused({ url = server.url, headers = { "X-Key: secret\n" } }, "EHEADER", "X%-Key holds a line break.*remove it")
  refused({ url = server.url, headers = { "X-Key: secret\r\nX-Two: 2" } }, "EHEADER", "X%-Key")
  refused({ url = server.url, headers = { "secret" } }, "EHEADER", "Name: value")
  refused({ url = server.url, headers = { "secret key: 1" } }, "EHEADER", "Name: value")
  refused({ url = server.url, headers = { "Content-Length: 3" }, body = "x" }, "EHEADER", "follows from the body")
  t.eq(server.stats().connections, 1, "that of the question itself")
end)

t.test("misuse raises", function()
  t.raises(function() http.request {} end, "'url' is missing")
  t.raises(function() http.request { url = 1 } end, "'url' must be a text")
  t.raises(function() http.request { url = "http://127.0.0.1/\0" } end, "NUL")
  t.raises(function() http.request { url = "http://127.0.0.1/", headers = { "A: \0" } } end, "NUL")
  t.raises(function() http.request { url = "http://127.0.0.1/", headers = { {} } } end, "header 1 is no text")
  t.raises(function() http.request { url = "http://127.0.0.1/", headers = "A: b" } end, "must be a list")
  t.raises(function() http.request { url = "http://127.0.0.1/", timeout = 0 } end, "'timeout' must be a number above 0")
  t.raises(function() http.request { url = "http://127.0.0.1/", idle_timeout = "x" } end, "'idle_timeout' must be a number")
  t.raises(function() erlua.http { url = "http://127.0.0.1/", json = {} } end, "unknown field 'json'")
  t.raises(function() erlua.http { headers = {} } end, "'url' is missing")
end)

t.test("erlua.http returns the whole reply, any bytes in it", function()
  local server = fake.start(t, [[return function(req, res) res:reply(200, { "X-Odd: \xff" }, req.body) end]])
  local bytes = "\0\1\xff\xc3\xa4\xc2\x80 text \xe2\x82"
  local r = t.ok(erlua.http { url = server.url, headers = { ["X-Key"] = "k", "Y: 2" }, body = bytes })
  t.eq({ r.status, r.body, r.headers["x-odd"] }, { 200, bytes, "\xff" })
  local seen = server.requests()[1].headers
  t.eq({ seen["x-key"], seen.y }, { "k", "2" })
  t.eq(t.ok(erlua.http { url = server.url }).body, "")
end)

return t
