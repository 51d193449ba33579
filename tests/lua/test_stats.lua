-- The statistics behind "a gain": against values that are known, and at their edges.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local stats = require("erlua.stats")
local gains = require("erlua.gains")

t.test("mean and standard deviation are those of the books", function()
  local list = { 2, 4, 4, 4, 5, 5, 7, 9 }
  t.eq(stats.mean(list), 5.0)
  t.near(stats.variance(list), 32 / 7, 1e-15)
  t.near(stats.sd(list), 2.1380899352993950, 1e-15)
  t.eq({ stats.mean {}, stats.sd {}, stats.sd { 3 } }, {})
  t.eq(stats.mean { 3 }, 3.0)
end)

t.test("equal numbers have exactly their mean and no spread, whatever they are", function()
  for _, x in ipairs { 0.1, 1 / 3, 1e300, 1.9645171829, -7e-310 } do
    for n = 2, 7 do
      local list = {}
      for i = 1, n do list[i] = x end
      t.eq({ stats.mean(list), stats.sd(list) }, { x, 0.0 })
    end
  end
end)

t.test("a spread far from zero keeps its digits", function()
  t.near(stats.sd { 1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16 }, math.sqrt(30), 1e-12)
end)

t.test("Welch's difference has the error and degrees of freedom of the formula", function()
  -- 3 and 5 numbers: variances 1 and 10, means 20 and 16
  local difference, se, degrees = stats.welch({ 19, 20, 21 }, { 12, 14, 16, 18, 20 })
  t.near(difference, 4, 1e-15)
  t.near(se, math.sqrt(1 / 3 + 10 / 5), 1e-15)
  t.near(degrees, (7 / 3) ^ 2 / ((1 / 3) ^ 2 / 2 + 2 ^ 2 / 4), 1e-12)
  t.eq({ stats.welch({ 1 }, { 1, 2 }) }, {}, "one run has no spread")
  t.eq({ stats.welch({ 2, 2 }, { 1, 1 }) }, { 1.0, 0.0 }, "no spread, no error, no degrees")
end)

t.test("ranks of equal numbers are the mean of theirs", function()
  t.eq(stats.ranks { 30, 10, 20 }, { 3.0, 1.0, 2.0 })
  t.eq(stats.ranks { 5, 1, 5, 5 }, { 3.0, 1.0, 3.0, 3.0 })
end)

t.test("Spearman's correlation is that of the books, ties among them", function()
  local iq = { 106, 100, 86, 101, 99, 103, 97, 113, 112, 110 }
  local hours = { 7, 27, 2, 50, 28, 29, 20, 12, 6, 17 }
  t.near(stats.spearman(iq, hours), -29 / 165, 1e-15)
  t.near(stats.spearman({ 1, 2, 2, 3 }, { 1, 2, 3, 4 }), math.sqrt(0.9), 1e-15)
  t.near(stats.spearman({ 1, 2, 3 }, { 10, 100, 1000 }), 1, 1e-15)
  t.near(stats.spearman({ 1, 2, 3 }, { 3, 2, 1 }), -1, 1e-15)
  t.eq({ stats.spearman({ 1 }, { 1 }), stats.spearman({ 1, 2 }, { 3, 3 }) }, {}, "nothing to be ranked")
end)

local function runs(rewards, host)
  local out = {}
  for i, r in ipairs(rewards) do out[i] = { outcome = "ok", reward = r, host = host, seed = i } end
  return out
end

t.test("a gain is confirmed by two standard errors of the difference, and not by a little less", function()
  local base = runs { 10, 11, 12, 13, 14 }                       -- mean 12, variance 2.5
  local se = math.sqrt(1 / 3 + 2.5 / 5)                          -- with runs of variance 1
  local function fresh(mean) return runs { mean - 1, mean, mean + 1 } end
  t.eq(gains.judge(fresh(12 + 2 * se + 1e-9), base).confirmed, true)
  t.eq(gains.judge(fresh(12 + 2 * se - 1e-9), base).confirmed, false)
  t.eq(gains.judge(fresh(5), base).confirmed, false, "a loss is no gain")
end)

t.test("without noise a gain is whatever is above, and the same is none", function()
  local base = runs { 0.1, 0.1, 0.1 }
  t.eq(gains.judge(runs { 0.1, 0.1, 0.1 }, base).confirmed, false)
  t.eq(gains.judge(runs { 0.1001, 0.1001 }, base).confirmed, true)
end)

t.test("one run that fails is not confirmed and says how, and too few runs of the baseline prove nothing", function()
  local fresh = runs { 99, 99, 99 }
  fresh[2] = { outcome = "oom", stage = "train", reason = "memory limit of 2 GB reached" }
  local v = gains.judge(fresh, runs { 1, 2 })
  t.eq({ v.confirmed, v.outcome, v.stage, v.reason }, { false, "oom", "train", "memory limit of 2 GB reached" })
  t.eq(gains.judge(runs { 99, 99 }, runs { 1 }).confirmed, false)
end)

t.test("runs are compared with those of their own machine, where they ran last", function()
  local base, fresh = runs({ 1, 2, 3 }, "slow"), runs({ 10, 10.1 }, "slow")
  table.move(runs({ 11, 12, 13 }, "fast"), 1, 3, #base + 1, base)
  t.eq(gains.judge(fresh, base).confirmed, true)
  table.move(runs({ 10, 10.1 }, "fast"), 1, 2, #fresh + 1, fresh)
  local v = gains.judge(fresh, base)
  t.eq({ v.confirmed, v.host, #v.rewards, v.baseline.mean }, { false, "fast", 2, 12.0 })
  t.eq(gains.levels(base, "bar"), { slow = 4.0, fast = 14.0 })
end)

t.test("the bar of the search is two standard deviations above the mean; with one run it is that run", function()
  t.eq(gains.spread(runs { 10, 12, 14 }).bar, 16.0)
  t.eq(gains.spread(runs { 10 }), { n = 1, failed = 0, rewards = { 10 }, mean = 10.0, bar = 10.0 })
  local one_failed = runs { 10, 12 }
  one_failed[3] = { outcome = "crash" }
  t.eq({ gains.spread(one_failed).n, gains.spread(one_failed).failed }, { 2, 1 })
end)

return t
