-- Best of N: every idea starts from the environment as it is; the best one wins.

local opt = erlua.options {
  env     = "nanogpt",
  model   = "builtin:mutate",
  epochs  = 10,
  batch   = 80,
  repeats = { 5, "runs of the baseline, to know how much its score varies", min = 1 },
  confirm = { 3, "of the best trials to be confirmed with fresh seeds at the end", min = 0 },
}
local study = erlua.study(opt)

study:baseline { repeats = opt.repeats }

for _ = 1, opt.epochs do
  local ideas = study:propose { n = opt.batch, prompt = "first" }
  erlua.map(ideas, function(idea) return study:trial(idea) end)
end

study:confirm(opt.confirm)
return study:report()
