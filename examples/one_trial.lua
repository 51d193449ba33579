-- One idea by hand: a change to an environment, a training job, and the frozen evaluation of what it left.

local env = assert(erlua.env("circle_packing"))
local longer = env.pristine["pack.lua"]:gsub("rounds = 8,", "rounds = 40,")
local changes = assert(erlua.patch.apply(env.pristine, "pack.lua\n```lua\n" .. longer .. "```\n", env))

local job = assert(erlua.job { "erlua", "run.lua", files = env:workspace(changes), limits = { wall = "10s" } })
local trained = assert(job:wait())
print("training", trained.ended, trained.exit_code, string.format("%.2f s", trained.wall_s))

local metrics, reward = env:evaluate(trained.dir .. "/out", changes)
print("reward", metrics and reward or "none: " .. reward)
