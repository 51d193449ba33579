-- How long a stubborn evaluation keeps its slot, and what it leaves running.

local host = require("erlua.core.host")
local clock = require("erlua.core.task").clock

local opt = erlua.options { env = "tests/bench/env", preset = "stubborn", slots = 1 }
local study = erlua.study(opt)
local ideas = study:propose { n = 1 }
local began = clock()
local t = study:trial(ideas[1])
local seconds = clock() - began
local left = 0
for _, name in ipairs(require("erlua.core.fs").list("/proc")) do
  local command = tonumber(name) and require("erlua.core.fs").read("/proc/" .. name .. "/cmdline")
  if command and command:find("60.25", 1, true) then left = left + 1 end
end
host.out(string.format("%s at %s: slot free after %.2f s, %d processes left\n", t.outcome, t.stage, seconds, left))
