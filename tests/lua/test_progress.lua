-- The live line, its plain form and sparklines.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local progress = require("erlua.progress")
local text = require("erlua.text")

local STATS = { done = 123, total = 400, epoch = 3, epochs = 10, outcomes = { ok = 98, crash = 10, timeout = 8, bad_metric = 6, oom = 1 },
  best = 2.41234567, mean = 1.98, busy = 2, slots = 2, left = 250 }

t.test("a wide line says everything", function()
  t.eq(progress.line(STATS, 150), "epoch 3/10  trials 123/400  98 ok  25 failed (crash 10, timeout 8, bad metric 6, …)"
    .. "  best 2.4123  mean 1.98  slots 2/2  4m10s left")
end)

t.test("at 80 columns the funnel, best, mean, slots and time left are there", function()
  local line = progress.line(STATS, 80)
  for _, part in ipairs { "123/400", "98 ok", "25 failed (crash 10", "best 2.4123", "mean 1.98", "slots 2/2", "4m10s left" } do
    t.ok(line:find(part, 1, true), part .. " in " .. line)
  end
end)

t.test("what was spent stands in the line and in its plain form", function()
  local stats = setmetatable({ spent = "$3.12/20  412 calls" }, { __index = STATS })
  t.match(progress.line(stats, 170), "slots 2/2  %$3%.12/20  412 calls  4m10s left$")
  t.match(progress.line(stats, 80), "%$3%.12/20")
  t.match(progress.plain(stats), "; %$3%.12/20, 412 calls; about 4m10s left$")
end)

t.test("at 40 columns what matters most is left", function()
  t.eq(progress.line(STATS, 40), "123/400 98 ok 25 failed best 2.412 4m10s")
end)

t.test("a line never exceeds its width", function()
  local huge = { done = 10 ^ 9 // 1 | 0, total = 10 ^ 9 // 1 | 0, outcomes = { ok = 999999999, crash = 999999999 }, best = -1.2345e-300,
    mean = -1.2345e-300, busy = 1000, slots = 1000, left = 1e9, note = "stopping: 日本語 at most" }
  for width = 1, 200 do
    t.ok(text.width(progress.line(STATS, width)) <= width)
    t.ok(text.width(progress.line(huge, width)) <= width)
  end
end)

t.test("before the first trial the line holds no made-up numbers", function()
  t.eq(progress.line({ done = 0, total = 5, outcomes = {} }, 80), "trials 0/5  0 ok")
end)

t.test("a note takes the place of the time left and cannot break the line", function()
  local line = progress.line({ done = 1, outcomes = {}, left = 9, note = "stopping:\n12s at most" }, 80)
  t.match(line, "stopping: 12s at most$")
end)

t.test("the plain form is a sentence on one line", function()
  t.eq(progress.plain(STATS), "epoch 3 of 10, trial 123 of 400: 98 ok, 25 failed (crash 10, timeout 8, bad metric 6, oom 1);"
    .. " best 2.4123, mean 1.98; 2 of 2 slots busy; about 4m10s left")
  t.eq(progress.plain { done = 1, outcomes = {} }, "trial 1: 0 ok")
end)

t.test("trials are counted by outcome, and only finite rewards make the mean", function()
  local p = progress.new { total = 4, slots = 2, now = 100 }
  p:add { outcome = "ok", reward = 1.0 }
  p:add { outcome = "ok", reward = 3.0 }
  p:add { outcome = "crash" }
  local s = p:stats(106)
  t.eq({ s.done, s.outcomes, s.best, s.mean, s.left }, { 3, { ok = 2, crash = 1 }, 3.0, 2.0, 2.0 })
  p:add { outcome = "ok", reward = 2.0 }
  t.eq(p:stats(108).left, nil, "behind the last trial nothing is known")
end)

t.test("the time left comes from this run's trials, not from those known before", function()
  local p = progress.new { total = 100, now = 0 }
  for _ = 1, 90 do p:add({ outcome = "ok", reward = 1 }, true) end
  t.eq(p:stats(5).left, nil)
  p:add { outcome = "ok", reward = 1 }
  t.eq(p:stats(10).left, 90.0)
end)

t.test("the time left counts the baseline's repeats and confirmation, and says that another scale comes behind it", function()
  local p = progress.new { total = 10, now = 0 }
  p.reruns_expected = 6
  for _ = 1, 4 do p:add { outcome = "ok", reward = 1 } end
  p:add_rerun()
  t.eq(p:stats(10).left, 22.0, "5 runs in 10 s; 6 trials and 5 runs are to come")
  for _ = 1, 9 do p:add_rerun() end
  t.eq(p:stats(28).left, 12.0, "more than were expected: the trials alone are known")
  p.and_then = "with preset small"
  t.match(progress.line(p:stats(28), 80), "  12s%+ left$")
  t.match(progress.line(p:stats(28), 16), " 12s%+$")
  t.match(progress.plain(p:stats(28)), "about 12s left, and then the runs with preset small$")
end)

t.test("runs that an earlier engine made say nothing about how long one takes", function()
  local p = progress.new { total = 2, now = 0 }
  p.reruns_expected = 3
  p:add({ outcome = "ok" }, true)
  p:add_rerun(true)
  t.eq(p:stats(9).left, nil)
  p:add_rerun()
  t.eq(p:stats(10).left, 20.0)
end)

t.test("a sparkline rises from least to greatest", function()
  t.eq(progress.sparkline { 1, 2, 3, 4, 5, 6, 7, 8 }, "▁▂▃▄▅▆▇█")
  t.eq(progress.sparkline { 3, 1 }, "█▁")
end)

t.test("a sparkline of equal values is level, of none empty", function()
  t.eq(progress.sparkline { 7, 7, 7 }, "▄▄▄")
  t.eq(progress.sparkline {}, "")
end)

t.test("values that are not finite leave gaps", function()
  t.eq(progress.sparkline { 0 / 0, 1, math.huge, 2, -math.huge }, " ▁ █ ")
  t.eq(progress.sparkline({ 1, nil, 2 }, 40, 3), "▁ █")
  t.eq(progress.sparkline { 0 / 0 }, " ")
end)

t.test("the extremes of floats do not overflow", function()
  t.eq(progress.sparkline { -1.7e308, 1.7e308 }, "▁█")
  t.eq(progress.sparkline({ 1.7e308, 1.7e308, 1.7e308, 1, 1, 1 }, 2), "█▁")
end)

t.test("many values are gathered into the width", function()
  local values = {}
  for i = 1, 1000 do values[i] = i end
  local line = progress.sparkline(values, 8)
  t.eq(line, "▁▂▃▄▅▆▇█")
  t.eq(text.width(progress.sparkline(values, 40)), 40)
end)

return t
