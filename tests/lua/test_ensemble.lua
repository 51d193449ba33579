-- Several models that share the work.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local ensemble = require("erlua.ensemble")

local function make(spec) return { spec = spec } end

local function drawn(e, n, after)
  local count = {}
  for _ = 1, n do
    local model = e:pick()
    count[model.spec] = (count[model.spec] or 0) + 1
    if after then after(model) end
  end
  return count
end

t.test("a list names models, each with a weight or 1", function()
  t.eq(ensemble.parse("openai:a"), { { spec = "openai:a", weight = 1.0 } })
  t.eq(ensemble.parse(" openai:a*3 ,anthropic:b@http://h:1/v1*0.5, builtin:mutate"), { { spec = "openai:a", weight = 3.0 },
    { spec = "anthropic:b@http://h:1/v1", weight = 0.5 }, { spec = "builtin:mutate", weight = 1.0 } })
end)

t.test("a wrong list says what is wrong with it", function()
  for spec, pattern in pairs { ["a:b,,c:d"] = "missing between the commas", [""] = "missing", ["a:b, a:b*2"] = "named twice", ["a:b*0"] = "weight 0" } do
    local list, message = ensemble.parse(spec)
    t.eq(list, nil, spec)
    t.match(message, pattern)
  end
end)

t.test("one model is always the one, several are drawn by their weights", function()
  t.eq(drawn(ensemble.new("a:x", make), 5), { ["a:x"] = 5 })
  local count = drawn(ensemble.new("a:x*9,b:y", make), 2000)
  t.ok(count["a:x"] > 1650 and count["b:y"] > 100, erlua.json.encode(count))
end)

t.test("the bandit comes to prefer the model that is worth it, and goes on trying the other", function()
  local e = ensemble.new("a:good,b:bad", make, true)
  local i = 0
  local count = drawn(e, 1000, function(model)
    i = i + 1
    e:credit(model.spec, i % 10 < (model.spec == "a:good" and 6 or 2))
  end)
  t.ok(count["a:good"] > 800, erlua.json.encode(count))
  t.ok(count["b:bad"] >= 3, erlua.json.encode(count))
end)

t.test("the credit of a model that is not in it is nobody's", function()
  local e = ensemble.new("a:x,b:y", make, true)
  e:credit("c:z", true)
  t.eq({ e.members[1].won, e.members[2].won }, { 0, 0 })
end)

return t
