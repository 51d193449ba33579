-- llm_kill.lua [KILLS] - the whole kill -9 row of the model calls: a study killed 100 times at
-- random moments; no question whose recorded reply is asked again; replay without the server
-- gives the same trials.  Run from the source folder.

local wanted = math.tointeger(tonumber((...) or 100))
local t = dofile((os.getenv("ERLUA_TEST_SOURCE") or ".") .. "/tests/lib/tap.lua")
local kill = dofile(t.source .. "/tests/lib/llm_kill.lua")(t)

t.test("kills", function() print((kill.run(wanted // 2, wanted, math.max(6, wanted)))) end)
t.run_all(1, io.stdout)
