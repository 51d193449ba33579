-- Execution-guided evolutionary search: exploit what beat the baseline, explore the
-- rest, exploit more as epochs pass (arXiv 2601.14525; shares round to whole ideas).

local opt = erlua.options {
  env     = "nanogpt",
  model   = "builtin:mutate",
  epochs  = 10,
  batch   = 80,
  repeats = { 5, "runs of the baseline, to know how much its score varies", min = 1 },
  confirm = { 3, "of the best trials to be confirmed with fresh seeds at the end", min = 0 },
  top     = { 100, "how many of the trials that beat the baseline an exploiting epoch draws from" },
  sample  = { 100, "how many of all trials an exploring epoch draws from" },
}
local study = erlua.study(opt)

study:baseline { repeats = opt.repeats }                    -- the environment as it is, and how much its score varies

for epoch = 1, opt.epochs do
  local share   = epoch == 1 and 0 or math.min(0.5 + 0.1 * ((epoch - 1) // 2), 0.8)
  local exploit = math.floor(opt.batch * share)
  local ideas   = study:propose {
    { n = exploit,             prompt = "exploit", parents = study:above_baseline():sample(opt.top) },
    { n = opt.batch - exploit, prompt = "explore", parents = study:trials():sample(opt.sample) },
  }
  erlua.map(ideas, function(idea) return study:trial(idea) end)   -- implement, run, evaluate: concurrent, bounded
end

study:confirm(opt.confirm)                                  -- gain or luck? with seeds that the search has not seen
return study:report()
