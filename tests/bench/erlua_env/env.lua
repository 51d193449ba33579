-- As shell_env, with erlua itself as both commands.
return {
  name = "erlua", editable = { "program.lua" },
  train = { "erlua", "-e", "local f = io.open(os.getenv('ERLUA_OUT') .. '/program', 'w') f:write('x') f:close()" },
  evaluate = { "erlua", "-e", "local f = io.open(os.getenv('ERLUA_METRICS'), 'w') f:write('{\"size\":1}') f:close()" },
  metric = "size", direction = "max",
}
