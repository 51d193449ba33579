-- Top-1 mixture of experts: each token goes to the one expert that its router likes best, whatever others choose.

local base = ...
local T, nn = erlua.tensor, erlua.nn

local Experts = nn.Module("Experts")

function Experts:init(dim, n)
  self.router = nn.Linear(dim, n, { bias = false })
  for e = 1, n do self[e] = nn.MLP { dim = dim, hidden = 2 * dim } end
end

function Experts:forward(x)
  local flat = x:view(-1, x:size(-1))
  local share, choice = self.router(flat):softmax():max(-1)
  local out = T.zeros_like(flat)
  for e, expert in ipairs(self) do
    local rows = choice:eq(e - 1):nonzero():flatten()
    local y = expert(flat:index_select(1, rows)) * share:index_select(1, rows):unsqueeze(-1)
    out = out:index_add(1, rows, y)
  end
  return out:view(x.shape)
end

local init = base.Block.init

function base.Block:init(c, layer)
  init(self, c, layer)
  self.mlp = Experts(c.dim, 4)
end
