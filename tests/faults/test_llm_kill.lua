-- A reply that was recorded is never paid for again, wherever the engine is killed.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local kill = dofile(t.source .. "/tests/lib/llm_kill.lua")(t)

t.test("a study killed at random moments asks no question again whose reply was recorded", function()
  local line, kills = kill.run(3, 8, 6)
  t.ok(kills >= 3, line)
end)

return t
