-- EMA: the weights that are kept are a running mean of those that were trained.

local base = ...
local T, nn = erlua.tensor, erlua.nn

local mean

function base.after_step(model, step)
  local weights = nn.state_dict(model)
  if not mean then
    mean = {}
    for name, w in pairs(weights) do mean[name] = w:detach():clone():keep() end
  end
  T.no_grad(function()
    for name, w in pairs(weights) do mean[name]:lerp_(w, 0.2) end
  end)
  if step == base.config.steps then nn.load_state_dict(model, mean) end
end
