-- baseline.lua - frozen: what the baseline is, for evaluate.lua: its size, and what its forward pass costs here and now.

local T = erlua.tensor

-- What the baseline is, how many tokens are scored in windows of its context, in batches whose activations the caches hold, and
-- the limits of other models: how many times the baseline's numbers, and seconds of CPU time to load it.
local PRESETS = {
  tiny     = { file = "val.bin", vocab = 256, context = 64, layers = 2, width = 64, heads = 2, batch = 16,
               tokens = 128 * 1024, size = 2, load = 0.2 },
  small    = { file = "val.bin", vocab = 256, context = 128, layers = 2, width = 96, heads = 3, batch = 8,
               tokens = 128 * 1024, size = 2, load = 0.2 },
  ["124m"] = { file = "fineweb_val_000000.bin", count = 10485760 + 5 * 1024, vocab = 50304, context = 1024,
               layers = 12, width = 768, heads = 12, batch = 4, tokens = 10485760, size = 1.5, load = 20 },
}

local name = os.getenv("ERLUA_PRESET") or "tiny"
local P = PRESETS[name] or error("baseline.lua: there is no preset '" .. name .. "'")
local C = P.context

local M = { preset = P, numbers = P.vocab * P.width + C * P.width + 12 * P.layers * P.width ^ 2 }

-- A network as the baseline's, with nothing learned: what its forward pass costs here and now.
local function baseline_network()
  local D, L = P.width, P.layers
  local function weight(...) return T.randn(...) * 0.02 end
  local tokens, positions, blocks = weight(P.vocab, D), weight(C, D), {}
  for i = 1, L do
    blocks[i] = { qkv = weight(3 * D, D), proj = weight(D, D), up = weight(4 * D, D), down = weight(D, 4 * D) }
  end
  local function heads(x) return x:view(x:size(1), C, P.heads, D // P.heads):transpose(2, 3) end
  local function attention(b, x)
    local q, k, v = x:linear(b.qkv):chunk(3, -1)
    local y = heads(q):scaled_dot_product_attention(heads(k), heads(v), { is_causal = true })
    return y:transpose(2, 3):reshape(x:size(1), C, D):linear(b.proj)
  end
  return function(ids)
    local x = ids:embedding(tokens) + positions
    for _, b in ipairs(blocks) do
      x = x + attention(b, x:rms_norm()) * 0.5
      x = x + x:rms_norm():linear(b.up, nil, "gelu"):linear(b.down)
    end
    return x:rms_norm():linear(tokens)
  end
end

---The CPU time of the network on a batch: cost.each, a mean that every cost.measure() adds to.
---@param ids erlua.tensor  (windows, context)
function M.cost(ids)
  local network, cost = baseline_network(), { spent = 0, calls = 0 }
  function cost.measure()
    local scope <close> = T.scope()
    local began = os.clock()
    network(ids)
    cost.spent, cost.calls = cost.spent + os.clock() - began, cost.calls + 1
    cost.each = cost.spent / cost.calls
  end
  cost.measure()                                            -- the first makes threads and finds kernels
  cost.spent, cost.calls = 0, 0
  cost.measure()
  return cost
end

return M
