-- Best of N: every idea starts from the environment as it is; the best one wins.

local opt = erlua.options {
  env    = "circle_packing",
  model  = "builtin:mutate",
  epochs = 10,
  batch  = 80,
}
local study = erlua.study(opt)

study:baseline()

for _ = 1, opt.epochs do
  local ideas = study:propose { n = opt.batch, prompt = "first" }
  erlua.map(ideas, function(idea) return study:trial(idea) end)
end

return study:report()
