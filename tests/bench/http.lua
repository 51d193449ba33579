-- http.lua: what requests cost the engine.
--
--   erlua tests/bench/http.lua [STREAMS]      with erlua-fake beside the binary that runs this
--
-- STREAMS (1000) streamed calls in flight at once, each 1 s long in 20 parts, then 2,000 small
-- requests one after the other.  Prints wall seconds, and CPU seconds and peak memory of this process.

local http = require("erlua.core.http")
local task = require("erlua.core.task")

local N = math.tointeger(tonumber(arg[1] or 1000))
local SMALL = 2000
local SCRIPT = [[
return function(req, res)
  if req.path == "/small" then return res:reply(200, nil, "ok") end
  local start = clock()
  res:head(200, { ["Content-Type"] = "text/event-stream" })
  for i = 1, 20 do
    res:write('data: {"choices":[{"index":0,"delta":{"content":"word ' .. i .. ' of the reply"}}]}\n\n')
    res:sleep(math.max(0, start + i * 0.05 - clock()))
  end
end
]]

-- A tap of what tests/lib/fake.lua needs.
local home = arg[0]:match("^(.*)/tests/bench/[^/]*$") or "."
local t = { source = home, erlua = assert(io.popen("readlink /proc/" .. require("erlua.core.host").pid() .. "/exe")):read("l") }
local cleanups = {}
function t.cleanup(fn) cleanups[#cleanups + 1] = fn end
function t.tmpdir() return assert(io.popen("mktemp -d"):read("l")) end
function t.read(path) local f = io.open(path, "rb") return f and f:read("a") end
function t.write(path, bytes) local f = assert(io.open(path, "wb")) f:write(bytes) f:close() return path end

local function usage()
  local stat = t.read("/proc/self/stat"):match("%) (.*)")
  local fields = {}
  for word in stat:gmatch("%S+") do fields[#fields + 1] = word end
  local cpu = (tonumber(fields[12]) + tonumber(fields[13])) / 100
  return cpu, tonumber(t.read("/proc/self/status"):match("VmHWM:%s*(%d+)")) / 1024
end

local function read_all(url, body)
  local response <close> = assert(http.request { url = url, body = body, headers = { "Content-Type: application/json" } })
  local n = 0
  while true do
    local bytes, message = response:read()
    if not bytes then assert(not message, message) return n end
    n = n + #bytes
  end
end

local function measure(what, fn)
  local wall, cpu = task.clock(), usage()
  fn()
  local after, memory = usage()
  print(string.format("%-46s %6.2f s wall  %6.2f s CPU  %5.1f MB peak", what, task.clock() - wall, after - cpu, memory))
end

local server = dofile(home .. "/tests/lib/fake.lua").start(t, SCRIPT)
read_all(server.url .. "/small")               -- libcurl is loaded
measure(SMALL .. " small requests, one after the other", function()
  for _ = 1, SMALL do read_all(server.url .. "/small", "{}") end
end)
measure(N .. " streamed calls in flight, 1 s each", function()
  local calls = {}
  for i = 1, N do calls[i] = i end
  erlua.map(calls, function() return read_all(server.url .. "/stream", "{}") end, { parallel = N })
end)
for i = #cleanups, 1, -1 do cleanups[i]() end
