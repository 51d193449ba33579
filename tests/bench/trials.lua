-- The engine's own cost a trial: a best-of-N study of trials that do almost nothing.
-- Prints trials, engine CPU ms and wall ms a trial, children's CPU ms a trial, peak memory MB.

local host = require("erlua.core.host")
local clock = require("erlua.core.task").clock

local opt = erlua.options { env = "tests/bench/env", epochs = 5, batch = 40 }
local began = clock()
local study = erlua.study(opt)
study:baseline()
for _ = 1, opt.epochs do
  local ideas = study:propose { n = opt.batch, prompt = "first" }
  erlua.map(ideas, function(idea) return study:trial(idea) end)
end
local n = opt.epochs * opt.batch
local own, children, peak = host.usage()
host.out(string.format("trials %d  engine %.3f ms  wall %.2f ms  children %.2f ms  peak %.1f MB\n", n, own / n * 1e3,
  (clock() - began) / n * 1e3, children / n * 1e3, peak / 2 ^ 20))
