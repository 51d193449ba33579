-- Gated attention: what a head brings is multiplied by a sigmoid of the position's own vector.

local base = ...
local nn = erlua.nn

local init, mix = base.Attention.init, base.Attention.mix

function base.Attention:init(c, layer)
  init(self, c, layer)
  self.gate = nn.Linear(c.dim, c.heads)
end

function base.Attention:mix(q, k, v, x)
  local gate = self.gate(x):sigmoid():transpose(2, 3):unsqueeze(-1)          -- (B, H, T, 1)
  return mix(self, q, k, v, x) * gate
end
