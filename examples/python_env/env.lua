-- python_env - an environment in Python: predict a machine's power from four readings.
return {
  name     = "python_env",
  editable = { "train.py" }, region = "EVOLVE-BLOCK",
  frozen   = { "evaluate.py", "train.csv" },
  data     = { "test.csv" },
  train    = { "python3", "-I", "train.py" },
  evaluate = { "python3", "-I", "evaluate.py" },
  metric   = "test_rmse", direction = "min",
  reward   = function(m) return 1 / (1e-6 + m.test_rmse) end,
  limits   = { wall = "10s", memory = "512M" },
}
