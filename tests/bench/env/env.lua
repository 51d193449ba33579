-- What is left of a trial when its commands do almost nothing: the engine's own cost.
return {
  name = "bench", editable = { "program.lua" },
  train = { "/bin/sh", "-c", "cp program.lua $ERLUA_OUT/program" },
  evaluate = { "/bin/sh", "-c", "echo '{\"size\":1}' > $ERLUA_METRICS" },
  metric = "size", direction = "max",
  presets = {
    -- erlua itself as both commands
    erlua = {
      train = { "erlua", "-e", "local f = io.open(os.getenv('ERLUA_OUT') .. '/program', 'w') f:write('x') f:close()" },
      evaluate = { "erlua", "-e", "local f = io.open(os.getenv('ERLUA_METRICS'), 'w') f:write('{\"size\":1}') f:close()" },
    },
    -- an evaluator that sleeps for a minute, leaves two children behind (one in a session
    -- of its own) and does not listen to SIGTERM
    stubborn = {
      evaluate = { "/bin/sh", "-c", "trap '' TERM; sleep 60.25 & setsid sleep 60.25 & sleep 60.25; sleep 60.25" },
      limits = { wall = "3s" },
    },
    -- jobs that take a while, for the kill test
    slow = {
      train = { "/bin/sh", "-c", "sleep 0.$(($(od -An -N1 -tu1 /dev/urandom) % 4 + 1)); cp program.lua $ERLUA_OUT/program" },
      evaluate = { "/bin/sh", "-c", "echo \"{\\\"size\\\":$(cksum < $ERLUA_OUT/program | cut -d' ' -f1)}\" > $ERLUA_METRICS" },
    },
  },
}
