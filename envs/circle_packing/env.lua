-- circle_packing - 26 circles in the unit square, the sum of their radii as large as it goes.
return {
  name     = "circle_packing",
  editable = { "pack.lua" },
  frozen   = { "run.lua", "evaluate.lua" },
  train    = { "erlua", "run.lua" },
  evaluate = { "erlua", "evaluate.lua" },
  metric   = "sum_radii", direction = "max",
  limits   = { wall = "10s", memory = "512M" },
}
