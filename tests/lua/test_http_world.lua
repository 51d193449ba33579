-- Requests in the world as it is: redirects, proxies, certificates, both families of addresses,
-- and studies that are resumed.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local fake = dofile(t.source .. "/tests/lib/fake.lua")
local engine = dofile(t.source .. "/tests/lib/engine.lua")(t)
local http = require("erlua.core.http")

-- /301 … /308 point to args.to, or to /end here; the end says how it was asked.
local REDIRECTS = [[local args = ...
return function(req, res)
  local status = tonumber(req.path:match("^/(3%d%d)"))
  if req.path == "/loop" then return res:reply(307, { Location = "/loop" }) end
  if req.path == "/nowhere" then return res:reply(302) end
  if status then return res:reply(status, { Location = (args.to or "") .. "/end?x=1" }, "an answer that nobody reads") end
  res:reply(200, nil, req.method .. " " .. req.path .. " " .. req.body)
end]]

local function ask(request)
  local response <close>, message, code = http.request(request)
  if not response then return nil, message, code end
  local parts = {}
  for bytes in response.read, response do parts[#parts + 1] = bytes end
  return response.status, table.concat(parts)
end

local function refused(request, pattern)
  local status, message, code = ask(request)
  t.eq({ status, code }, { nil, "EURL" }, message)
  t.match(message, pattern)
  t.no_match(message, "secret")
end

t.test("a plain GET follows redirects, also to another host", function()
  local other = fake.start(t, REDIRECTS)
  local server = fake.start(t, REDIRECTS, { args = { to = other.url } })
  for _, status in ipairs { 301, 302, 303, 307, 308 } do
    t.eq({ ask { url = server.url .. "/" .. status } }, { 200, "GET /end?x=1 " })
    t.eq({ ask { url = other.url .. "/" .. status } }, { 200, "GET /end?x=1 " })
  end
  t.eq(#other.requests(), 15)
end)

t.test("what carries a header, a body or a password stays at its host", function()
  local other = fake.start(t, REDIRECTS)
  local server = fake.start(t, REDIRECTS, { args = { to = other.url } })
  local why = "points to " .. other.url:gsub("%p", "%%%0") .. "/end, which is not followed: .*no key leaves it"
  for _, status in ipairs { 301, 302, 303, 307, 308 } do
    refused({ url = server.url .. "/" .. status, headers = { "X-Api-Key: secret" } }, why)
    refused({ url = server.url .. "/" .. status, body = "secret" }, why)
    refused({ url = server.url:gsub("//", "//user:secret@") .. "/" .. status }, why)
  end
  t.eq(#other.requests(), 0)
end)

t.test("another port or scheme of the same name is another host", function()
  local server = fake.start(t, REDIRECTS, { args = { to = "https://127.0.0.1:1" } })
  refused({ url = server.url .. "/307", body = "{}" }, "https://127.0.0.1:1/end, which is not followed")
  local scheme = fake.start(t, REDIRECTS, { args = { to = "ftp://127.0.0.1" } })
  refused({ url = scheme.url .. "/307" }, "http:// and https:// alone")
end)

t.test("at its host a body is sent again after 307 and 308, and after no other", function()
  local server = fake.start(t, REDIRECTS)
  t.eq({ ask { url = server.url .. "/307", body = "secret", headers = { "X-Key: secret" } } }, { 200, "POST /end?x=1 secret" })
  t.eq({ ask { url = server.url .. "/308", body = "secret", method = "PUT" } }, { 200, "PUT /end?x=1 secret" })
  for _, status in ipairs { 301, 302, 303 } do
    refused({ url = server.url .. "/" .. status, body = "secret" }, "only 307 and 308 repeat")
    refused({ url = server.url .. "/" .. status, method = "DELETE" }, "only 307 and 308 repeat")
  end
end)

t.test("redirects that never end do, and one to nowhere is an ordinary reply", function()
  local server = fake.start(t, REDIRECTS)
  refused({ url = server.url .. "/loop" }, "more than 5 redirects")
  t.eq(#server.requests(), 6)
  t.eq({ ask { url = server.url .. "/nowhere" } }, { 302, "" })
end)

-- What `erlua -e` prints for a request under these variables.
local function elsewhere(env, url, headers)
  local all = { http_proxy = false, https_proxy = false, all_proxy = false, no_proxy = false, HTTPS_PROXY = false, ALL_PROXY = false,
    NO_PROXY = false, SSL_CERT_FILE = false, SSL_CERT_DIR = false, CURL_CA_BUNDLE = false }
  for k, v in pairs(env) do all[k] = v end
  local r = t.run({ t.erlua, "-e", string.format([[
    local r, message, code = erlua.http { url = %q, timeout = 20, headers = { %s } }
    print(r and r.status .. " " .. r.body or code .. " " .. message)]], url, headers or "") }, { env = all })
  return t.ok(r.out ~= "" and r.out, r.err)
end

t.test("the proxy of the environment is asked, but never for this machine or what no_proxy names", function()
  local proxy = fake.start(t, [[return function(req, res)
    if req.method == "CONNECT" then return res:reply(403) end
    res:reply(200, nil, "proxy of " .. req.path) end]])
  local server = fake.start(t, [[return function(req, res) res:reply(200, nil, "itself") end]])
  t.eq(elsewhere({ http_proxy = proxy.url }, "http://model.invalid/v1"), "200 proxy of http://model.invalid/v1\n")
  t.eq(elsewhere({ all_proxy = proxy.url }, "http://model.invalid/v1"), "200 proxy of http://model.invalid/v1\n")
  t.eq(elsewhere({ http_proxy = proxy.url }, server.url), "200 itself\n")
  t.match(elsewhere({ http_proxy = proxy.url, no_proxy = "model.invalid" }, "http://model.invalid/v1"), "^EDNS ")
  t.match(elsewhere({ https_proxy = proxy.url }, "https://model.invalid/v1"), "^ECONNECT .*the proxy refused")
  t.match(elsewhere({ http_proxy = "http://127.0.0.1:1" }, "http://model.invalid/"), "^ECONNECT ")
  t.match(elsewhere({ http_proxy = "http://proxy.invalid:1" }, "http://model.invalid/"), "^EDNS .*check the proxy")
end)

-- A TLS server with a certificate of its own for localhost: its URL and the certificate's file.
local function tls_server()
  local dir = t.tmpdir()
  if t.run({ "openssl", "version" }).code ~= 0 then t.skip("there is no openssl program") end
  t.eq(t.run({ "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2", "-addext",
    "subjectAltName=DNS:localhost,DNS:model.invalid", "-keyout", "key.pem", "-out", "cert.pem" }, { cwd = dir }).code, 0)
  t.write(dir .. "/hello", "over TLS")
  local server = erlua.spawn(erlua.exec, { "sh", "-c", "exec openssl s_server -accept 127.0.0.1:0 -key key.pem -cert cert.pem -WWW >out 2>&1",
    cwd = dir, timeout = 600 })
  t.cleanup(function()
    server:cancel()
    server:wait()
  end)
  local port = t.await("openssl listens", function() return (t.read(dir .. "/out") or ""):match("ACCEPT [^\n]-:(%d+)") end)
  return "https://localhost:" .. port .. "/hello", dir .. "/cert.pem", port
end

t.test("a certificate is checked against those of the environment, and its name against the host", function()
  local url, cert, port = tls_server()
  t.eq(elsewhere({ SSL_CERT_FILE = cert }, url), "200 over TLS\n")
  t.eq(elsewhere({ CURL_CA_BUNDLE = cert, SSL_CERT_FILE = "/nonexistent" }, url), "200 over TLS\n")
  t.match(elsewhere({}, url), "^ETLS .*its certificate is not trusted here: .*SSL_CERT_FILE")
  t.match(elsewhere({ SSL_CERT_FILE = cert }, "https://127.0.0.1:" .. port .. "/hello"), "^ETLS ")
  t.match(elsewhere({ SSL_CERT_FILE = "/nonexistent" }, url), "^ETLS .*SSL_CERT_FILE")
end)

-- A proxy whose tunnels all lead to one port; the heads that it reads are in the file `log`.
local TUNNEL = [[
import socket, sys, threading
def pump(a, b):
    try:
        while True:
            data = a.recv(65536)
            if not data: break
            b.sendall(data)
    finally:
        b.close()
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], file=open("port", "w"), flush=True)
while True:
    client = server.accept()[0]
    head = b""
    while b"\r\n\r\n" not in head: head += client.recv(65536)
    open("log", "ab").write(head)
    target = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    client.sendall(b"HTTP/1.1 200 Connected\r\nX-Proxy: 1\r\n\r\n")
    for pair in ((client, target), (target, client)): threading.Thread(target=pump, args=pair, daemon=True).start()
]]

t.test("a proxy's tunnel carries TLS to the server itself, and the proxy sees no header", function()
  if t.run({ "python3", "-c", "" }).code ~= 0 then t.skip("there is no python3") end
  local url, cert, port = tls_server()
  local dir = t.tmpdir()
  local proxy = erlua.spawn(erlua.exec, { "python3", t.write(dir .. "/tunnel.py", TUNNEL), port, cwd = dir, timeout = 600 })
  t.cleanup(function()
    proxy:cancel()
    proxy:wait()
  end)
  local at = t.await("the proxy listens", function() return tonumber(t.read(dir .. "/port") or "") end)
  local env = { https_proxy = "http://127.0.0.1:" .. math.tointeger(at), SSL_CERT_FILE = cert }
  t.eq(elsewhere(env, url:gsub("localhost", "model.invalid"), '["X-Key"] = "secret"'), "200 over TLS\n")
  t.match(t.read(dir .. "/log"), "^CONNECT model.invalid:%d+ HTTP/1.1\r\n")
  t.no_match(t.read(dir .. "/log"), "secret")
end)

t.test("localhost is found, whether the server listens on IPv4 or on IPv6", function()
  local ANSWER = [[return function(req, res) res:reply(200, nil, "here") end]]
  local four = fake.start(t, ANSWER)
  t.eq({ ask { url = "http://localhost:" .. four.port } }, { 200, "here" })
  if not (t.read("/proc/net/if_inet6") or ""):find("00000000000000000000000000000001", 1, true) then t.skip("this machine has no IPv6") end
  local six = fake.start(t, ANSWER, { host = "::1" })
  t.eq({ ask { url = "http://localhost:" .. six.port } }, { 200, "here" })
  t.eq({ ask { url = six.url } }, { 200, "here" })
end)

t.test("in a study a request is asked once, and no key is in its file", function()
  local server = fake.start(t, [[return function(req, res) res:reply(200, { "X-N: " .. req.n }, "reply\0\xff") end]])
  local dir = t.tmpdir()
  local script = t.write(dir .. "/ask.lua", string.format([[
    local study = erlua.study(erlua.options { env = "x" })
    local url = %q
    local r = erlua.http { url = url:gsub("//", "//user:hidden-a@") .. "/v1?key=hidden-b", headers = { ["X-Key"] = "hidden-c" }, body = "{}" }
    print(r.status, r.headers["x-n"], #r.body, r.body == "reply\0\xff")
    print(select(3, erlua.http { url = "http://127.0.0.1:1/" }))
    local ok, message = pcall(require("erlua.core.http").request, { url = url })
    print(message:match("use erlua.http"))
    erlua.exec { "sh", "-c", "[ -e killed ] || { touch killed; kill -9 $PPID; }", cwd = %q }
    print("end")
  ]], server.url, dir))
  local args = { script, "--env", engine.env, "--study", dir .. "/s" }
  t.eq(engine.run(args).signal, 9)
  t.eq(#server.requests(), 1)
  local r = engine.run(args)
  t.eq(r.code, 0, r.stderr)
  t.match(r.stdout, "end\n$")
  t.eq(#server.requests(), 1)
  t.eq(engine.sql(dir .. "/s", "SELECT substr(call, 1, instr(call, '/v1') + 2) FROM effects WHERE kind = 'http' LIMIT 1"), "POST " .. server.url .. "/v1")
  t.no_match(engine.sql(dir .. "/s", ".dump"), "hidden%-[abc]")
  local replay = engine.run { "replay", dir .. "/s" }
  t.eq({ replay.code, replay.stderr }, { 0, "" })
  t.eq(#server.requests(), 1)
end)

return t
