-- Execution-guided evolutionary search: exploit what beat the baseline, explore the
-- rest, exploit more as epochs pass (arXiv 2601.14525; shares round to whole ideas).

local opt = erlua.options {
  env    = "circle_packing",
  model  = "builtin:mutate",
  epochs = 10,
  batch  = 80,
  top    = { 100, "how many of the trials that beat the baseline an exploiting epoch draws from" },
  sample = { 100, "how many of all trials an exploring epoch draws from" },
}
local study = erlua.study(opt)

study:baseline()                                            -- the environment as it is, once

for epoch = 1, opt.epochs do
  local share   = epoch == 1 and 0 or math.min(0.5 + 0.1 * ((epoch - 1) // 2), 0.8)
  local exploit = math.floor(opt.batch * share)
  local ideas   = study:propose {
    { n = exploit,             prompt = "exploit", parents = study:above_baseline():sample(opt.top) },
    { n = opt.batch - exploit, prompt = "explore", parents = study:trials():sample(opt.sample) },
  }
  erlua.map(ideas, function(idea) return study:trial(idea) end)   -- implement, run, evaluate: concurrent, bounded
end

return study:report()
