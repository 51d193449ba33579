-- What the ideas change.
local config = { width = 12, height = 34.5, depth = 0.25, steps = 100 }
local sum = 0
for i = 1, config.steps do
  local x = i * config.width + config.height
  if x > 50 then sum = sum + x * config.depth end
  if x <= 20 then sum = sum - x end
end
config.total = sum / 2
return config
