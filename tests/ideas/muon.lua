-- Muon, written out: matrices move along their momentum made orthogonal by Newton-Schulz; the rest is AdamW's.

local base = ...
local T, nn, optim = erlua.tensor, erlua.nn, erlua.optim

local function orthogonal(g)
  local x = g:size(1) > g:size(2) and g:t() or g
  x = x / (x:norm() + 1e-7)
  for _ = 1, 5 do
    local a = x:matmul(x:t())
    x = x * 3.4445 + (a * -4.7750 + a:matmul(a) * 2.0315):matmul(x)
  end
  return g:size(1) > g:size(2) and x:t() or x
end

function base.optimizer(model)
  local matrices, momentum = {}, {}
  local others = nn.parameters { model.tokens, model.places, model.norm, model.head }
  for _, p in ipairs(nn.parameters(model.blocks)) do
    if p:dim() == 2 then
      matrices[#matrices + 1], momentum[#momentum + 1] = p, T.zeros_like(p)
    else
      others[#others + 1] = p
    end
  end
  local opt, adam = {}, optim.AdamW(others, { lr = base.config.lr })
  function opt:step()
    adam.lr_factor = self.lr_factor
    adam:step()
    T.no_grad(function()
      for i, p in ipairs(matrices) do
        local m = momentum[i]:mul_(0.95):add_(p.grad)
        local lr = 0.02 * self.lr_factor * math.max(1, p:size(1) / p:size(2)) ^ 0.5
        p:sub_(orthogonal(p.grad + m * 0.95), { alpha = lr })
      end
    end)
  end
  return opt
end
