-- An evaluator that sleeps for a minute, leaves two children behind (one in a session of
-- its own) and does not listen to SIGTERM.
return {
  name = "stubborn", editable = { "program.lua" },
  train = { "/bin/sh", "-c", "cp program.lua $ERLUA_OUT/program" },
  evaluate = { "/bin/sh", "-c", "trap '' TERM; sleep 60.25 & setsid sleep 60.25 & sleep 60.25; sleep 60.25" },
  metric = "size", direction = "max", limits = { wall = "3s" },
}
