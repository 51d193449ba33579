-- The strategies that come with erlua, run for real on circle_packing.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local json = require("erlua.json")

local function run(strategy, dir, ...)
  local r = t.run({ t.erlua, "strategies/" .. strategy .. ".lua", "--env", "circle_packing", "--study", dir .. "/" .. strategy, "--json",
    "--repeats", "2", "--confirm", "1", ... }, { cwd = dir })
  t.eq(r.code, 0, r.err)
  local trials = t.run({ t.erlua, "trials", dir .. "/" .. strategy, "--json" })
  return json.decode(trials.out), json.decode(r.out)
end

local function best(trials)
  local b
  for _, x in ipairs(trials) do
    if type(x.reward) == "number" and (not b or x.reward > b) then b = x.reward end
  end
  return b
end

t.test("best of n beats the baseline, and no idea of it has a parent", function()
  local trials = run("bestofn", t.tmpdir(), "--epochs", "2", "--batch", "12")
  t.eq(#trials, 25)
  t.eq(trials[1].idea, "baseline")
  t.eq(#trials[1].parents, 0)
  t.ok(best(trials) > trials[1].reward, "nothing beat the baseline")
  for _, x in ipairs(trials) do t.eq(#x.parents, 0) end
end)

t.test("evolve starts from first ideas and then exploits what beat the baseline", function()
  local trials = run("evolve", t.tmpdir(), "--epochs", "3", "--batch", "12")
  t.eq(#trials, 37)
  local reward, children = {}, 0
  for _, x in ipairs(trials) do
    reward[x.id] = x.reward
    if x.epoch == 1 then t.eq(#x.parents, 0) end
    for _, p in ipairs(x.parents) do
      children = children + 1
      t.ok(p < x.id and reward[p] > trials[1].reward, "trial " .. x.id .. " has parent " .. p .. ", which did not beat the baseline before it")
    end
  end
  t.ok(children > 6, "only " .. children .. " parents in two exploiting epochs")
end)

t.test("the same seed searches the same, another seed does not", function()
  local a = run("evolve", t.tmpdir(), "--epochs", "2", "--batch", "8")
  local b = run("evolve", t.tmpdir(), "--epochs", "2", "--batch", "8", "--slots", "1")
  local c = run("evolve", t.tmpdir(), "--epochs", "2", "--batch", "8", "--seed", "2")
  local function view(list)
    local out = {}
    for i, x in ipairs(list) do out[i] = { x.id, x.epoch, x.idea, x.parents, x.patch, x.outcome, x.reward, x.metrics } end
    return json.encode(out)
  end
  t.eq(view(a), view(b))
  t.ok(view(a) ~= view(c), "seeds 1 and 2 give the same study")
end)

t.test("a patch of any trial applies to the pristine environment by hand", function()
  local dir = t.tmpdir()
  local trials = run("evolve", dir, "--epochs", "2", "--batch", "8")
  local n = 0
  for _, x in ipairs(trials) do
    if x.patch ~= json.null and x.idea ~= "baseline" then
      local work = t.tmpdir()
      t.eq(t.run({ "cp", "-r", t.source .. "/envs/circle_packing/.", work }).code, 0)
      local diff = t.run({ t.erlua, "trials", dir .. "/evolve", "diff", tostring(x.id) })
      local applied = t.run({ t.erlua, "apply", "--editable", "pack.lua", work, "-" }, { stdin = diff.out })
      t.eq(applied.code, 0, applied.err)
      n = n + 1
    end
  end
  t.ok(n >= 12, "only " .. n .. " patches")
end)

return t
