-- Honest ideas are scored: every file in tests/honest, a small change of nanogpt's model.lua, trained for a few steps.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local scoring = dofile(t.source .. "/tests/lib/scoring.lua")

local rig

for _, variant in ipairs(scoring.variants(t, "honest")) do
  t.test("an honest idea is scored: " .. variant.what, function()
    rig = rig or scoring.new(t)
    local m = rig:score(variant)
    t.eq({ m.outcome, m.reason }, {})
    t.ok(m.val_loss > 1 and m.val_loss < 6, "a loss: " .. m.val_loss)
    t.ok(m.drift < 1e-5 and m.ahead < 1e-5, "far from what is refused: " .. erlua.json.encode(m))
  end)
end

return t
