-- Value residual: every layer's values are mixed with those of the first, in a learned share.

local base = ...
local T = erlua.tensor

local init, mix = base.Attention.init, base.Attention.mix
local first

function base.Attention:init(c, layer)
  init(self, c, layer)
  self.layer = layer
  if layer > 1 then self.share = T.full({ 1 }, 0.5, { requires_grad = true }) end
end

function base.Attention:mix(q, k, v, x)
  if self.layer == 1 then first = v else v = T.lerp(v, first, self.share) end
  return mix(self, q, k, v, x)
end
