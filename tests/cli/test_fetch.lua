-- erlua env NAME --fetch against a server on this machine: progress, resume, digests, and what goes wrong.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local fake = dofile(t.source .. "/tests/lib/fake.lua")
local fs = require("erlua.core.fs")
local json = require("erlua.json")

local function bytes_of(seed, n)
  local out = {}
  for i = 1, n do out[i] = string.char((seed * 31 + i * 7 + i // 251) % 256) end
  return table.concat(out)
end

local FILES = { ["val_000000.bin"] = bytes_of(1, 3000), ["train_000001.bin"] = bytes_of(2, 50000), ["train_000002.bin"] = bytes_of(3, 40000),
  ["train_000003.bin"] = bytes_of(4, 100), ["README.md"] = "words" }

-- The list of files as Hugging Face gives it; `change` may falsify a row.
local function listing(change)
  local rows = {}
  for name, body in pairs(FILES) do
    local row = { type = "file", path = name, size = #body, oid = "0" }
    if name ~= "README.md" then row.lfs = { oid = fs.sha256(body), size = #body, pointerSize = 133 } end
    if change then change(row) end
    rows[#rows + 1] = row
  end
  return json.encode(rows)
end

-- A server with these files and ranges; `twist` is Lua that may answer in its place: f(req, res, name, body) -> true.
local SERVER = [[
local files, list = json.decode(%q), %q
local seen = {}
local function twist(req, res, name, body) %s end
return function(req, res)
  if req.path == "/api/datasets/some/words/tree/main" then return res:reply(200, { ["Content-Type"] = "application/json" }, list) end
  local name = req.path:match("^/datasets/some/words/resolve/main/([%%w_.]+)$")
  local hex = name and files[name]
  if not hex then return res:reply(404, nil, "no") end
  local body = hex:gsub("%%x%%x", function(h) return string.char(tonumber(h, 16)) end)
  seen[name] = (seen[name] or 0) + 1
  if twist(req, res, name, body) then return end
  local from = tonumber((req.headers.range or ""):match("^bytes=(%%d+)%%-$"))
  if not from then return res:reply(200, nil, body) end
  res:reply(206, { ["Content-Range"] = ("bytes %%d-%%d/%%d"):format(from, #body - 1, #body) }, body:sub(from + 1))
end
]]

local function serve(twist, change)
  local hex = {}
  for name, body in pairs(FILES) do hex[name] = body:gsub(".", function(c) return ("%02x"):format(c:byte()) end) end
  return fake.start(t, SERVER:format(json.encode(hex), listing(change), twist or ""))
end

local ENV = [[
return { name = "words", editable = { "a.lua" }, train = { "true" }, evaluate = { "true" }, metric = "m", direction = "min",
  presets = { big = { inputs = { folder = "words", fetch = { dataset = "some/words", files = { "val_*.bin", "train_*.bin" }, most = 2 } } } } }
]]

-- Runs `erlua env ENV --fetch` into a folder of its own.
local function fetch(server, opts)
  opts = opts or {}
  local dir = opts.dir or t.tmpdir()
  t.write(dir .. "/env/env.lua", ENV)
  t.write(dir .. "/env/a.lua", "")
  local argv = { t.erlua, "env", dir .. "/env", "--fetch", "--from", server.url }
  if not opts.cache then table.move({ "--to", dir .. "/to" }, 1, 2, #argv + 1, argv) end
  table.move(opts.args or {}, 1, #(opts.args or {}), #argv + 1, argv)
  if opts.limit then argv = { "sh", "-c", "trap '' XFSZ; ulimit -f " .. opts.limit .. '; exec "$@"', "sh", table.unpack(argv) } end
  local r = t.run(argv, { env = { XDG_CACHE_HOME = dir .. "/cache", HF_ENDPOINT = opts.endpoint } })
  r.dir, r.to = dir, opts.cache and dir .. "/cache/erlua/words" or dir .. "/to"
  return r
end

local function names(dir) return fs.list(dir) or {} end

local function paths(server)
  local out = {}
  for i, r in ipairs(server.requests()) do out[i] = r.path:match("[^/]*$") .. (r.headers.range and " " .. r.headers.range or "") end
  return out
end

t.test("the first files of each glob are downloaded, checked, and lie in the cache under the environment's name for them", function()
  local server = serve()
  local r = fetch(server, { cache = true })
  t.eq({ r.code, r.out }, { 0, "" }, r.err)
  t.eq(names(r.to), { "train_000001.bin", "train_000002.bin", "val_000000.bin" })
  for _, name in ipairs(names(r.to)) do t.ok(t.read(r.to .. "/" .. name) == FILES[name], name) end
  t.ok(r.err:find("val_000000.bin, 3.0 kB: fetched (1 of 3)", 1, true), r.err)
  t.ok(r.err:find("3 files in " .. r.to .. ", 3 new (93 kB)", 1, true), r.err)
end)

t.test("what is there and right is not downloaded again; what is there and wrong is", function()
  local server = serve()
  local r = fetch(server, { args = { "--shards", "1" } })
  t.eq(names(r.to), { "train_000001.bin", "val_000000.bin" })
  t.write(r.to .. "/val_000000.bin", ("x"):rep(3000))
  r = fetch(server, { dir = r.dir, args = { "--shards", "1" } })
  t.eq(r.code, 0, r.err)
  t.ok(r.err:find("train_000001.bin, 50 kB: there", 1, true) and r.err:find("val_000000.bin, 3.0 kB: fetched", 1, true), r.err)
  t.eq(paths(server), { "main", "val_000000.bin", "train_000001.bin", "main", "val_000000.bin" })
  t.ok(t.read(r.to .. "/val_000000.bin") == FILES["val_000000.bin"])
end)

t.test("a connection that ends too early is taken up where it ended", function()
  local server = serve([[
    if name == "train_000001.bin" and seen[name] < 3 then
      local from = tonumber((req.headers.range or ""):match("%d+")) or 0
      res:head(from > 0 and 206 or 200, { ["Content-Length"] = #body - from, ["Content-Range"] = from > 0 and ("bytes %d-%d/%d"):format(from, #body - 1, #body) or "none" })
      res:write(body:sub(from + 1, from + 10000))
      res:sleep(0.05)
      res:close()
      return true
    end]])
  local r = fetch(server, { args = { "--shards", "1" } })
  t.eq(r.code, 0, r.err)
  t.ok(t.read(r.to .. "/train_000001.bin") == FILES["train_000001.bin"])
  t.eq(paths(server), { "main", "val_000000.bin", "train_000001.bin", "train_000001.bin bytes=10000-", "train_000001.bin bytes=20000-" })
  t.eq(names(r.to), { "train_000001.bin", "val_000000.bin" })
end)

t.test("a download that was killed goes on from its part", function()
  local server = serve()
  local dir = t.tmpdir()
  t.write(dir .. "/to/train_000001.bin.part", FILES["train_000001.bin"]:sub(1, 12345))
  local r = fetch(server, { dir = dir, args = { "--shards", "1" } })
  t.eq(r.code, 0, r.err)
  t.eq(paths(server)[3], "train_000001.bin bytes=12345-")
  t.ok(t.read(r.to .. "/train_000001.bin") == FILES["train_000001.bin"])
end)

t.test("of two downloads into one folder the second one says who is at work, and spoils nothing", function()
  local server = serve([[if name == "val_000000.bin" and seen[name] == 1 then
    res:head(200, { ["Content-Length"] = #body }) res:write(body:sub(1, 1000)) res:hang() return true end]])
  local dir = t.tmpdir()
  t.write(dir .. "/env/env.lua", ENV)
  t.write(dir .. "/env/a.lua", "")
  local first = erlua.spawn(erlua.exec, { t.erlua, "env", dir .. "/env", "--fetch", "--from", server.url, "--to", dir .. "/to", "--shards", "1", timeout = 600 })
  t.await("the first is at work", function() return #(t.read(dir .. "/to/val_000000.bin.part") or "") == 1000 end)
  local r = fetch(server, { dir = dir })
  t.eq(r.code, 1)
  t.match(r.err, "the folder " .. dir:gsub("%-", "%%-") .. "/to is being filled by another erlua %(pid %d+ on ")
  t.eq(#t.read(dir .. "/to/val_000000.bin.part"), 1000)
  first:cancel()
  first:wait()
  r = fetch(server, { dir = dir, args = { "--shards", "1" } })
  t.eq(r.code, 0, r.err)
  for _, name in ipairs(names(r.to)) do t.ok(t.read(r.to .. "/" .. name) == FILES[name], name) end
end)

t.test("a server without ranges sends it all again, and a part that is too long is thrown away", function()
  local server = serve([[res:reply(200, nil, body) return true]])
  local dir = t.tmpdir()
  t.write(dir .. "/to/train_000001.bin.part", "0123456789")
  t.write(dir .. "/to/val_000000.bin.part", ("x"):rep(4000))
  local r = fetch(server, { dir = dir, args = { "--shards", "1" } })
  t.eq(r.code, 0, r.err)
  for _, name in ipairs(names(r.to)) do t.ok(t.read(r.to .. "/" .. name) == FILES[name], name) end
end)

t.test("a file with another digest than the server publishes is deleted, and that is said", function()
  local server = serve([[if name == "val_000000.bin" then res:reply(200, nil, "X" .. body:sub(2)) return true end]])
  local r = fetch(server)
  t.eq(r.code, 1)
  t.ok(r.err:find("val_000000.bin came with another digest than the server publishes", 1, true), r.err)
  t.eq(names(r.to), {})
end)

t.test("a part that was spoilt on the disk is found by its digest", function()
  local server = serve()
  local dir = t.tmpdir()
  t.write(dir .. "/to/val_000000.bin.part", ("y"):rep(100))
  t.eq(fetch(server, { dir = dir }).code, 1)
  t.eq(names(dir .. "/to"), {})
  t.eq(fetch(server, { dir = dir }).code, 0)
end)

t.test("a file that is gone, and a data set that is gone, are named with the way out", function()
  local server = serve([[if name:find("train") then res:reply(404, nil, "gone") return true end]])
  local r = fetch(server)
  t.eq(r.code, 1)
  t.ok(r.err:find("train_000001.bin: there is no such file on the server (404)", 1, true), r.err)
  t.eq(names(r.to), { "val_000000.bin" }, "what came before is kept")
  server = fake.start(t, [[return function(req, res) res:reply(404, nil, "") end]])
  r = fetch(server)
  t.eq(r.code, 1)
  t.ok(r.err:find("/api/datasets/some/words/tree/main: there is no such file", 1, true), r.err)
end)

t.test("a full disk stops it with a message, and what came is kept", function()
  local server = serve()
  local r = fetch(server, { limit = 40 })            -- 40 blocks of 512 bytes
  t.eq(r.code, 1)
  t.ok(r.err:find("cannot write " .. r.to .. "/train_000001.bin.part", 1, true) and r.err:find("run it again when there is room", 1, true), r.err)
  t.eq(names(r.to), { "train_000001.bin.part", "val_000000.bin" })
  r = fetch(server, { dir = r.dir })
  t.eq(r.code, 0, r.err)
  t.ok(t.read(r.to .. "/train_000001.bin") == FILES["train_000001.bin"])
end)

t.test("a list that is no list, or has no digests, is refused", function()
  for _, body in ipairs { "<html>", "[1, 2]", '[{"path":"val_000000.bin","lfs":{"oid":"12","size":3}}]', '[{"path":"../val_0.bin","lfs":{"oid":"'
    .. ("a"):rep(64) .. '","size":3}}]' } do
    local server = fake.start(t, ("return function(req, res) res:reply(200, nil, %q) end"):format(body))
    local r = fetch(server)
    t.eq(r.code, 1, body)
    t.ok(r.err:find("is no list of files", 1, true) or r.err:find("has no file val_*.bin with a published digest", 1, true), r.err)
    t.eq(names(r.to), {})
  end
end)

t.test("$HF_ENDPOINT names the server, and a redirect to another host is followed also for a part", function()
  local store = serve()
  local front = fake.start(t, ([[return function(req, res)
    res:reply(302, { Location = "%s" .. req.path }, "") end]]):format(store.url:gsub("127.0.0.1", "localhost")))
  local dir = t.tmpdir()
  t.write(dir .. "/to/val_000000.bin.part", FILES["val_000000.bin"]:sub(1, 1000))
  local r = fetch(front, { dir = dir, args = { "--shards", "1" } })
  t.eq(r.code, 0, r.err)
  t.eq(paths(store)[2], "val_000000.bin bytes=1000-")
  t.ok(t.read(r.to .. "/val_000000.bin") == FILES["val_000000.bin"])
  local argv = { t.erlua, "env", dir .. "/env", "--fetch", "--to", dir .. "/to" }
  t.eq(t.run(argv, { env = { HF_ENDPOINT = store.url .. "/" } }).code, 0)
end)

t.test("an environment without anything to fetch says so, and options of --fetch do not go alone", function()
  local r = t.run { t.erlua, "env", "circle_packing", "--fetch" }
  t.eq(r.code, 1)
  t.ok(r.err:find("circle_packing has nothing to fetch", 1, true), r.err)
  local dir = t.tmpdir()
  for field, word in pairs { ['{ dataset = "x", files = { "*" }, most = 1 }'] = ".fetch must be", ['{ dataset = "a/b", files = {}, most = 1 }'] = ".fetch must be",
    ['{ dataset = "a/b", files = { "*" }, most = 1, url = "u" }'] = ".fetch must be" } do
    t.write(dir .. "/env/env.lua", (ENV:gsub("fetch = %b{}", function() return "fetch = " .. field end)))
    t.write(dir .. "/env/a.lua", "")
    r = t.run { t.erlua, "env", dir .. "/env", "--fetch" }
    t.eq(r.code, 1)
    t.ok(r.err:find(word, 1, true), r.err)
  end
  r = t.run { t.erlua, "env", "circle_packing", "--to", "x" }
  t.eq(r.code, 2)
  t.ok(r.err:find("go with --fetch", 1, true), r.err)
end)

return t
