-- base.lua - a small GPT over bytes and the loop that trains it.  Each other file here is one idea: a change to it.
--   erlua tests/ideas/check.lua IDEA.lua

local T, nn, optim = erlua.tensor, erlua.nn, erlua.optim

local M = {
  config = { layers = 2, dim = 32, heads = 2, context = 16, batch = 16, steps = 36, lr = 2e-2 },
  schedule = optim.linear { warmup = 0.1, final = 0.1 },
  Attention = nn.Module("Attention"), Block = nn.Module("Block"), GPT = nn.Module("GPT"),
}
local Attention, Block, GPT = M.Attention, M.Block, M.GPT

function Attention:init(c)
  self.heads, self.qkv, self.proj = c.heads, nn.Linear(c.dim, 3 * c.dim), nn.Linear(c.dim, c.dim)
end

-- Queries, keys and values are (B, H, T, D), and x is what they were made from.
function Attention:mix(q, k, v, x) return q:scaled_dot_product_attention(k, v, { is_causal = true }) end

function Attention:forward(x)
  local B, S, C = table.unpack(x.shape)
  local q, k, v = self.qkv(x):view(B, S, 3 * self.heads, -1):transpose(2, 3):chunk(3, 2)
  return self.proj(self:mix(q, k, v, x):transpose(2, 3):reshape(B, S, C))
end

function Block:init(c, layer)
  self.norm1, self.attn = nn.LayerNorm(c.dim), Attention(c, layer)
  self.norm2, self.mlp = nn.LayerNorm(c.dim), nn.MLP { dim = c.dim }
end

function Block:forward(x)
  x = x + self.attn(self.norm1(x))
  return x + self.mlp(self.norm2(x))
end

function GPT:init(c)
  self.tokens, self.places = nn.Embedding(256, c.dim), nn.Embedding(c.context, c.dim, { std = 0.1 })
  self.norm, self.head = nn.LayerNorm(c.dim), nn.Linear(c.dim, 256, { bias = false, std = 0.02 })
  self.blocks = {}
  for layer = 1, c.layers do self.blocks[layer] = Block(c, layer) end
end

function GPT:through(x)
  for _, block in ipairs(self.blocks) do x = block(x) end
  return x
end

function GPT:hidden(ids) return self.norm(self:through(self.tokens(ids) + self.places.weight)) end

function GPT:logits(ids) return self.head(self:hidden(ids)) end

function GPT:loss(ids, targets) return self:logits(ids):cross_entropy(targets) end

function M.optimizer(model) return optim.AdamW(nn.parameters(model), { lr = M.config.lr }) end

function M.after_step(model, step) end

-- Windows of the text, a byte a token, drawn at random: inputs and targets.
function M.batch(text)
  local c = M.config
  local w = text:unfold(1, c.context + 1, 1):index_select(1, T.randint(0, #text - c.context, { c.batch }))
  return w:narrow(2, 1, c.context), w:narrow(2, 2, c.context)
end

function M.train(model, text)
  local params, opt = nn.parameters(model), M.optimizer(model)
  for step = 1, M.config.steps do
    local _ <close> = T.scope()
    model:loss(M.batch(text)):backward()
    optim.clip_grad_norm(params, 1)
    opt.lr_factor = M.schedule(step / M.config.steps)
    opt:step()
    T.zero_grad(params)
    M.after_step(model, step)
  end
end

return M
