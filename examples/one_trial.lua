-- One idea by hand: a change to an environment, a training job, and the frozen evaluation of what it left.

local env = assert(erlua.env("circle_packing"))
local reply = "pack.lua\n<<<<<<< SEARCH\n  rounds = 8,\n=======\n  rounds = 40,\n>>>>>>> REPLACE\n"
local changes = assert(erlua.patch.apply(env.pristine, reply, env))

local job = assert(erlua.job { "erlua", "run.lua", files = env:workspace(changes), limits = { wall = "10s" } })
local trained = assert(job:wait())
print("training", trained.ended, trained.exit_code, string.format("%.2f s", trained.wall_s))

local metrics, reward = env:evaluate(trained.dir .. "/out", changes)
print("reward", metrics and reward or "none: " .. reward)
