-- erlua.time_left: what is left of a job's budget, by the clock that counts it.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")

local function seconds(code, env)
  local r = t.run({ t.erlua, "-e", code }, { env = env })
  t.eq({ r.code, r.err }, { 0, "" })
  return r.out
end

t.test("without a budget there is no end", function()
  t.eq(seconds("print(erlua.time_left() == math.huge)"), "true\n")
  t.eq(seconds("print(erlua.time_left() == math.huge)", { ERLUA_BUDGET = "soon" }), "true\n")
end)

t.test("CPU seconds are those of this process and of children that it has waited for, and not time that passes", function()
  local out = seconds([[
    local before = erlua.time_left()
    erlua.sleep(0.3)
    local slept = erlua.time_left()
    local began = os.clock()
    repeat until os.clock() - began > 0.1
    local worked = erlua.time_left()
    os.execute("awk 'BEGIN { while (i < 3000000) i++ }'")
    print(before - slept, slept - worked, worked - erlua.time_left())]], { ERLUA_BUDGET = "10", ERLUA_BUDGET_CLOCK = "cpu" })
  local slept, worked, child = out:match("(%S+)\t(%S+)\t(%S+)")
  t.ok(tonumber(slept) < 0.2 and tonumber(worked) > 0.05 and tonumber(child) > 0.01, out)
end)

t.test("wall time passes while nothing runs, and may be over", function()
  local out = seconds("erlua.sleep(0.2) print(erlua.time_left())", { ERLUA_BUDGET = "0.1", ERLUA_BUDGET_CLOCK = "wall" })
  t.ok(tonumber(out) <= -0.1, out)
end)

t.test("in a study it is journaled, as every clock", function()
  local dir = t.tmpdir()
  t.write(dir .. "/a.lua", [[
    local study = erlua.study(erlua.options { env = "circle_packing" })
    study:log("left %.9f", erlua.time_left())
    study:report()]])
  local env = { ERLUA_BUDGET = "100", ERLUA_BUDGET_CLOCK = "wall" }
  t.eq(t.run({ t.erlua, "a.lua", "--study", "s" }, { cwd = dir, env = env }).code, 0)
  local r = t.run({ t.erlua, "replay", "s" }, { cwd = dir, env = env })
  t.eq({ r.code, r.err }, { 0, "" })
end)

return t
