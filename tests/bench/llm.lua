-- llm.lua [CANDIDATES...] - the engine's own CPU a candidate when a model has the ideas and makes
-- the changes, 10 samples each, against a server without latency: ideas, samples, patches, two
-- jobs and all commits.  At best the first sample applies and the others are never sent; at worst
-- only the tenth does.  The cost must not grow with the size of the study.  Run from the source
-- folder with TMPDIR on tmpfs: else the work of the disk's file system is counted, too.

local sizes = { ... }
if #sizes == 0 then sizes = { "200", "2000" } end
local t = dofile((os.getenv("ERLUA_TEST_SOURCE") or ".") .. "/tests/lib/tap.lua")
local fake = dofile(t.source .. "/tests/lib/fake.lua")

-- Every idea is another one; of its changes the `wanted`-th and those behind it apply.
local SERVER = [[
local wanted = %d
local asked = {}
local openai, wire = require("openai"), require("wire")
local ideas = 0
local function ideate(n)
  local out = {}
  for i = 1, n do
    ideas = ideas + 1
    out[i] = string.format("<idea>\nTitle: Another width\nDescription: The width may be off, try the one below.\n"
      .. "Changes: in program.lua the width becomes %%d.\n</idea>\n", ideas + 10)
  end
  return table.concat(out)
end
return function(req, res)
  local body = json.decode(req.body)
  local prompt = wire.prompt(body)
  local n, width = prompt:match("\nIdeas wanted: exactly (%%d+),"), prompt:match("the width becomes (%%d+)")
  local old = "local width, height = 3, 4"
  if width then
    asked[width] = (asked[width] or 0) + 1
    if asked[width] < wanted then old = "local breadth = 17" end
  end
  openai.answer(req, res, { text = n and ideate(tonumber(n)) or "program.lua\n<<<<<<< SEARCH\n" .. old .. "\n=======\nlocal width, height = "
    .. tostring(width) .. ", 4\n>>>>>>> REPLACE\n" }, body)
end
]]

local function run(n, wanted)
  local dir, server = t.tmpdir(), fake.start(t, SERVER:format(wanted))
  local r = t.run({ t.erlua, t.source .. "/tests/bench/trials.lua", "--env", t.source .. "/tests/bench/env", "--slots", "2",
    "--epochs", tostring(math.tointeger(tonumber(n)) // 40), "--model", "openai:m@" .. server.url, "--samples", "10",
    "--study", dir .. "/s" }, { timeout = 3000 })
  t.eq(r.code, 0, r.err)
  local ok = t.run({ "sqlite3", dir .. "/s/study.db", "SELECT sum(outcome = 'ok') FROM trials" }).out:sub(1, -2)
  local stats = server.stats()
  io.stdout:write(r.out:sub(1, -2), "  ok ", ok, "  requests ", stats.requests, " (", stats.gone, " cancelled)\n")
end

for _, n in ipairs(sizes) do
  t.test(n .. " candidates, 10 samples each, the first applies", function() run(n, 1) end)
  t.test(n .. " candidates, 10 samples each, the tenth applies", function() run(n, 10) end)
end
t.run_all(1, io.stdout)
