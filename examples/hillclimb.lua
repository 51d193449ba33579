-- A hill climber: every round changes the best trial so far; each round without
-- progress lets one more of the runners-up be a parent, until something better turns up.

local opt = erlua.options {
  env    = "circle_packing",
  epochs = { 20, "rounds of the climb" },
  batch  = { 8, "children in a round" },
  fresh  = { 0.25, "share of the children that start from the environment as it is", min = 0, max = 1 },
}
local study = erlua.study(opt)

local best, stalled = study:baseline(), 0

for _ = 1, opt.epochs do
  local fresh = math.floor(opt.batch * opt.fresh)
  local ideas = study:propose {
    { n = opt.batch - fresh, prompt = "exploit", parents = study:best(1 + stalled) },
    { n = fresh, prompt = "first" },
  }
  local children = erlua.map(ideas, function(idea) return study:trial(idea) end)

  stalled = stalled + 1
  for _, t in ipairs(children) do
    if t.outcome == "ok" and t.reward > best.reward then
      best, stalled = t, 0
      study:log("trial %d is better: %.6g", t.id, t.reward)
    end
  end
end

return study:report()
