-- fake.lua: starts erlua-fake, the HTTP server of the tests, and ends it with its test.
--
--   local fake = dofile(t.source .. "/tests/lib/fake.lua")
--   local server = fake.start(t, [[return function(req, res) res:reply(200, nil, "hello") end]])
--   erlua.http { url = server.url }
--   t.eq(#server.requests(), 1)

local http = require("erlua.core.http")
local json = require("erlua.json")

local M = {}

local function binary(t)
  return (t.erlua:match("^(.*)/[^/]*$") or ".") .. "/erlua-fake"
end

-- A name is a script in tests/fake, anything else the script's text.
local function script_path(t, script, dir)
  if script:match("^[%w_]+$") then return t.source .. "/tests/fake/" .. script .. ".lua" end
  return t.write(dir .. "/script.lua", script)
end

---@class fake.server
---@field url string  "http://127.0.0.1:PORT"
---@field port integer
---@field dir string  its folder
---@field requests fun(): table[]  what arrived: {n, connection, time, method, path, headers, body}
---@field gone fun(): table[]  clients that left before their reply was over: {n, connection, time}
---@field stats fun(): table  {requests, connections, open, active, max_active, gone}
---@field stop fun()

---@param t table  the test file's tap
---@param script string  a name in tests/fake, or Lua text
---@param opts? {args: table<string, any>?, host: string?}
---@return fake.server
function M.start(t, script, opts)
  opts = opts or {}
  local dir = t.tmpdir()
  local argv = { binary(t), "--host", opts.host or "127.0.0.1", "--port", dir .. "/port", "--log", dir .. "/log",
    "--path", t.source .. "/tests/fake", script_path(t, script, dir), timeout = 3600 }
  for k, v in pairs(opts.args or {}) do argv[#argv + 1] = k .. "=" .. tostring(v) end
  local process = erlua.spawn(erlua.exec, argv)
  local function read_port() return tonumber(t.read(dir .. "/port") or "") end
  while not read_port() do
    if process:done() then
      local _, r, message = process:wait()
      error("erlua-fake did not start: " .. (r and r.stderr or message), 2)
    end
    erlua.sleep(0.002)
  end

  local server = { dir = dir, port = math.tointeger(read_port()) }
  local host = opts.host or "127.0.0.1"
  server.url = "http://" .. (host:find(":") and "[" .. host .. "]" or host) .. ":" .. server.port

  local function events(kind)
    local out = {}
    for line in (t.read(dir .. "/log") or ""):gmatch("([^\n]*)\n") do
      local event = assert(json.decode(line))
      if event.event == kind then out[#out + 1] = event end
    end
    return out
  end
  function server.requests() return events("request") end
  function server.gone() return events("gone") end

  function server.stats()
    local response <close> = assert(http.request { url = server.url .. "/__stats" })
    return assert(json.decode((assert(response:read()))))
  end

  ---Ends it.  An error of its script is an error of the test.
  function server.stop()
    process:cancel()
    process:wait()
    local failed = events("error")[1]
    if failed then error("the server's script failed at request " .. failed.n .. ": " .. failed.message, 0) end
  end

  t.cleanup(server.stop)
  return server
end

return M
