-- QK-norm: queries and keys are normalised, head by head; a learned gain says how sharp attention may be.

local base = ...
local T = erlua.tensor

local init = base.Attention.init

function base.Attention:init(c, layer)
  init(self, c, layer)
  self.gain = T.full({ self.heads, 1, 1 }, 1.5, { requires_grad = true })
end

function base.Attention:mix(q, k, v)
  return (q:rms_norm() * self.gain):scaled_dot_product_attention(k:rms_norm(), v, { is_causal = true })
end
