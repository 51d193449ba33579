-- noisy.lua: studies whose score varies with the seed, and strategies of a plan: which
-- ideas come in which epoch, and what is confirmed at the end.
--
--   local noisy = dofile(t.source .. "/tests/lib/noisy.lua")(t)

local json = require("erlua.json")

-- A plan is { repeats =, epochs = { { answers… }, … }, confirm =, seeds = }; --epochs N takes the first N.
local STRATEGY = [[
local opt = erlua.options { env = "", plan = "", epochs = 1 }
local study = erlua.study(opt)
local plan = erlua.json.decode(io.open(opt.plan, "rb"):read("a"))
study:baseline { repeats = plan.repeats }
for epoch = 1, opt.epochs do
  local above = study:above_baseline()
  study:log("above %s", table.concat(above.ids, " "))
  study:propose { n = 0 }
  local ideas = {}
  for i, script in ipairs(plan.epochs[epoch]) do
    ideas[i] = study:idea { text = script, reply = "idea.sh\n```\n" .. script .. "\n```\n" }
  end
  erlua.map(ideas, function(idea) return study:trial(idea) end)
end
study:log("above %s", table.concat(study:above_baseline().ids, " "))
if plan.confirm then
  for _, v in ipairs(study:confirm(plan.confirm, { seeds = plan.seeds })) do
    study:log("trial %d %s", v.trial.id, v.confirmed and "confirmed" or v.outcome)
  end
end
return study:report()
]]

-- The score is what training left, and a little that depends on the seed: 0 to 6, and 1 in the search.
local EVALUATE = [[
answer=$(cat "$ERLUA_OUT/answer") || exit 3
echo "{\"score\": $((answer + ERLUA_SEED % 7 * ${NOISE:-1}))}" > "$ERLUA_METRICS"
]]

return function(t)
  local rig = dofile(t.source .. "/tests/lib/rig.lua")
  local M = {}

  ---What an idea's script is: it answers a number, or what the shell makes of a text.
  function M.answer(x) return 'echo $((' .. x .. ')) > "$ERLUA_OUT/answer"' end

  ---Writes the environment, the plan and the strategy.
  ---@param plan table
  ---@param o? {fields: table?, evaluate: string?, dir: string?}
  ---@return string dir
  function M.make(plan, o)
    o = o or {}
    local dir = o.dir or t.tmpdir()
    local env = rig.env(M.answer(500) .. "\n", o.fields, { ["evaluate.sh"] = o.evaluate or EVALUATE })
    for path, bytes in pairs(env) do t.write(dir .. "/env/" .. path, bytes) end
    t.write(dir .. "/plan.json", json.encode(plan))
    t.write(dir .. "/plan.lua", STRATEGY)
    return dir
  end

  ---The arguments that run it.
  function M.args(dir, plan, ...)
    return { dir .. "/plan.lua", "--env", dir .. "/env", "--study", dir .. "/study", "--slots", "2", "--plan", dir .. "/plan.json",
      "--epochs", tostring(#plan.epochs), ... }
  end

  ---Runs it to its end.
  ---@return {code: integer, out: string, err: string, dir: string}
  function M.run(plan, o, ...)
    local dir = M.make(plan, o)
    local r = t.run({ t.erlua, table.unpack(M.args(dir, plan, ...)) }, { env = o and o.environ })
    r.dir, r.study = dir, dir .. "/study"
    return r
  end

  ---What a reader prints as JSON.
  function M.json(...)
    local r = t.run { t.erlua, ... }
    t.eq(r.code, 0, r.err)
    return json.decode(r.out)
  end

  ---The rows of a query of a study's file.
  function M.rows(study, query, ...)
    local store = assert(require("erlua.core.study").open(study .. "/study.db"))
    local rows = assert(store:query(query, ...))
    store:close()
    return rows
  end

  function M.replays(study)
    local r = t.run { t.erlua, "replay", study }
    t.eq({ r.code, r.err }, { 0, "" }, "replay")
  end

  return M
end
