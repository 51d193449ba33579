-- nanogpt.lua - how much the score of nanogpt's baseline varies with the seed: with the same number of tokens, and in the same
-- time.  erlua tests/bench/nanogpt.lua [--seeds N] [--tokens N] [--preset NAME]; prints a table.

local opt = erlua.options {
  env    = "nanogpt",
  seeds  = { 5, "how many seeds", min = 2 },
  tokens = { 750000, "how many tokens are the same number", min = 1 },
}
local env = assert(erlua.env(opt.env, { preset = opt.preset, text = opt.text }))
local PROGRESS = "local function progress() return (budget - erlua.time_left()) / usable end"

-- train.lua with its progress counted in tokens instead of seconds.
local function by_tokens(source)
  local counted = "local step\nlocal function progress() return (step or 0) * config.passes * config.batch * config.context / " .. opt.tokens .. " end"
  local from, to = source:find(PROGRESS, 1, true)
  assert(from, "train.lua has another progress()")
  source = source:sub(1, from - 1) .. counted .. source:sub(to + 1)
  return (source:gsub("local step, saved, logged, logged_at = 0,", "local saved, logged, logged_at\nstep, saved, logged, logged_at = 0,"))
end

local function train_and_score(seed, changes)
  local seconds = env.budget.seconds
  local spec = { files = env:workspace(changes), limits = { wall = "1h" },
    env = { ERLUA_SEED = seed, ERLUA_BUDGET = changes and 1e6 or seconds, ERLUA_BUDGET_CLOCK = env.budget.cpu and "cpu" or "wall",
      ERLUA_PRESET = env.preset, OMP_NUM_THREADS = 1 } }
  table.move(env.train_command, 1, #env.train_command, 1, spec)
  local job = assert(erlua.job(spec))
  local result = assert(job:wait())
  assert(result.ended == "exit" and result.exit_code == 0, result.reason .. ": " .. result.log)
  local metrics, message = env:evaluate(result.dir .. "/out", changes)
  require("erlua.job").clear(result)
  return assert(metrics, message).val_loss
end

local function spread(name, changes)
  local seeds = {}
  for seed = 1, opt.seeds do seeds[seed] = seed end
  local losses, sum, squares = erlua.map(seeds, function(seed) return train_and_score(seed, changes) end), 0, 0
  for _, loss in ipairs(losses) do sum = sum + loss end
  local mean = sum / #losses
  for _, loss in ipairs(losses) do squares = squares + (loss - mean) ^ 2 end
  local deviation = math.sqrt(squares / (#losses - 1))
  print(string.format("%-12s mean %.4f nats (%.4f bits), deviation %.4f (%.2f %%) over %d seeds", name, mean, mean / math.log(2), deviation,
    100 * deviation / mean, #losses))
end

spread("same tokens", { ["train.lua"] = by_tokens(env.files["train.lua"]) })
spread("same time")
