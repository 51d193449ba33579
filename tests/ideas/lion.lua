-- Lion: a step is the sign of a mean of gradient and momentum, so all weights move equally far.

local base = ...
local T, nn = erlua.tensor, erlua.nn

function base.optimizer(model)
  local params, momentum, opt = nn.parameters(model), {}, {}
  for i, p in ipairs(params) do momentum[i] = T.zeros_like(p) end
  function opt:step()
    local lr = 1.2e-2 * self.lr_factor
    T.no_grad(function()
      for i, p in ipairs(params) do
        local m = momentum[i]
        p:mul_(1 - lr * 0.1):sub_(m:lerp(p.grad, 0.1):sign_(), { alpha = lr })
        m:lerp_(p.grad, 0.01)
      end
    end)
  end
  return opt
end
