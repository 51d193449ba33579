-- Execution rates: ideas of several models, each made a change by its own model and by the others;
-- how many are submitted, apply, complete and score (arXiv 2601.14525: self- and cross-execution).

local opt = erlua.options {
  env    = "circle_packing",
  models = { "builtin:mutate", "models to compare, separated by commas", meta = "SPEC,…" },
  ideas  = { 50, "ideas of each model", min = 1 },
  cross  = { true, "have the ideas of each model implemented by the others, too" },
  epochs = { 1, "rounds of so many ideas" },
}
local study = erlua.study(opt)

study:baseline()

local models, requests = {}, {}
for spec in opt.models:gmatch("[^,%s]+") do
  models[#models + 1] = spec
  requests[#requests + 1] = { n = opt.ideas, prompt = "first", model = spec }
end

for _ = 1, opt.epochs do
  local work = {}                                           -- an idea, and who implements it
  for i, idea in ipairs(study:propose(requests)) do
    local own = models[(i - 1) // opt.ideas + 1]
    work[#work + 1] = { idea = idea, implementer = own }
    for _, other in ipairs(opt.cross and models or {}) do
      if other ~= own and not other:find("^builtin:") then  -- which makes no changes but its own
        local copy = study:idea { text = idea.text, model = idea.model, missing = idea.missing }
        work[#work + 1] = { idea = copy, implementer = other }
      end
    end
  end
  erlua.map(work, function(w) return study:trial(w.idea, { implementer = w.implementer }) end)
end
return study:report()                                       -- its table "Models" has the rates
