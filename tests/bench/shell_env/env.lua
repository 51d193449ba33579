-- Two shell one-liners: what is left is the engine's own cost.
return {
  name = "shell", editable = { "program.lua" },
  train = { "/bin/sh", "-c", "cp program.lua $ERLUA_OUT/program" },
  evaluate = { "/bin/sh", "-c", "echo '{\"size\":1}' > $ERLUA_METRICS" },
  metric = "size", direction = "max",
}
