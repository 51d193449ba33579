-- circle_packing - 26 circles in the unit square, the sum of their radii as large as it goes.
return {
  name     = "circle_packing",
  about    = [[
pack.lua places 26 circles in the unit square and returns a list of 26 tables { x = , y = , r = }. The score is the sum of their
radii. A packing counts if every radius is above 0, no two circles overlap by more than 1e-12 and none reaches out of the square.
pack.lua runs as Lua 5.4 with math, table and string alone, without a clock and random numbers, for at most 12 million steps of
Lua's machine (about a tenth of a second); one that uses up its steps has no score.]],
  editable = { "pack.lua" },
  frozen   = { "run.lua", "evaluate.lua" },
  train    = { "erlua", "run.lua" },
  evaluate = { "erlua", "evaluate.lua" },
  metric   = "sum_radii", direction = "max",
  limits   = { wall = "60s", memory = "512M" },
}
