-- Soft cap: scores of attention and logits are squashed, so that none grows beyond a bound.

local base = ...

local logits = base.GPT.logits

function base.Attention:mix(q, k, v)
  return q:scaled_dot_product_attention(k, v, { is_causal = true, softcap = 30 })
end

function base.GPT:logits(ids) return logits(self, ids):softcap(15) end
