-- Sliding window: a position sees the four bytes up to its own, in the first layer; the second sees all.

local base = ...

local init = base.Attention.init

function base.Attention:init(c, layer)
  init(self, c, layer)
  self.window = layer < c.layers and 4 or nil
end

function base.Attention:mix(q, k, v)
  return q:scaled_dot_product_attention(k, v, { is_causal = true, window = self.window })
end
