-- model.lua - GPT-2 without biases: learned positions, RMS norm without weights, tied embeddings.
--
-- train.lua makes a network with M.new, trains it through net:loss and keeps it with M.save. The evaluation runs this
-- file where there is only erlua.tensor, erlua.nn, erlua.safetensors.load and Lua's base, math, string and table, and
-- calls M.load(path) and M.logits(ids). B windows of L tokens are (B, L); ids count from 0.

local T, nn = erlua.tensor, erlua.nn

local Attention = nn.Module("Attention")

function Attention:init(config)
  local weights = { bias = false, std = config.init_std }
  self.heads, self.head_width = config.heads, config.width // config.heads
  self.qkv  = nn.Linear(config.width, 3 * self.heads * self.head_width, weights)
  self.proj = nn.Linear(self.heads * self.head_width, config.width, weights)
end

function Attention:forward(x)                                         -- (B, L, width)
  local B, L = x:size(1), x:size(2)
  local function heads(t) return t:view(B, L, self.heads, self.head_width):transpose(2, 3) end
  local q, k, v = self.qkv(x):chunk(3, -1)
  local y = heads(q):scaled_dot_product_attention(heads(k), heads(v), { is_causal = true })
  return self.proj(y:transpose(2, 3):reshape(B, L, self.heads * self.head_width))
end

local MLP = nn.Module("MLP")

function MLP:init(config)
  local weights = { bias = false, std = config.init_std }
  local hidden = math.floor(config.mlp_ratio * config.width)
  self.fc   = nn.Linear(config.width, hidden, weights)
  self.proj = nn.Linear(hidden, config.width, weights)
  self.activation = config.activation
end

function MLP:forward(x) return self.proj(self.fc(x, self.activation)) end

local Block = nn.Module("Block")

function Block:init(config)
  self.attention, self.mlp = Attention(config), MLP(config)
  self.attention_scale = 1 / math.sqrt(2 * config.layers)
end

function Block:forward(x)
  x = x + self.attention(x:rms_norm()) * self.attention_scale
  x = x + self.mlp(x:rms_norm())
  return x
end

local GPT = nn.Module("GPT")

function GPT:init(config)
  self.config    = config
  self.tokens    = nn.Embedding(config.vocab, config.width, { std = config.init_std })    -- also the output layer
  self.positions = nn.Embedding(config.context, config.width, { std = config.init_std })
  self.blocks    = {}
  for i = 1, config.layers do self.blocks[i] = Block(config) end
end

function GPT:forward(ids)                                             -- (B, L) -> (B, L, width)
  local x = self.tokens(ids) + self.positions(T.arange(ids:size(2)))
  for _, block in ipairs(self.blocks) do x = block(x) end
  return x:rms_norm()
end

---The mean cross-entropy in nats; the logits are never all there at once.
function GPT:loss(ids, targets) return self:forward(ids):lm_loss(self.tokens.weight, targets) end

function GPT:logits(ids) return self:forward(ids):linear(self.tokens.weight) end

-- ---- what train.lua and the evaluation call -------------------------------------------------

local M, loaded = {}, nil

---A network; every number and text of config that it reads is kept with its weights.
function M.new(config) return nn.to(GPT(config), config.dtype) end

---Keeps a network in a file: its weights, and its config as texts.
function M.save(net, path)
  local texts = {}
  for name, value in pairs(net.config) do texts[name] = tostring(value) end
  assert(erlua.safetensors.save(path, nn.state_dict(net), texts))
end

---Makes the network of a file; the evaluation scores it.
function M.load(path)
  local weights, texts = assert(erlua.safetensors.load(path))
  local config = {}
  for name, text in pairs(texts) do config[name] = tonumber(text) or text end
  loaded = nn.train(M.new(config), false)
  nn.load_state_dict(loaded, weights)
end

---Logits (B, L, vocab) of the next token at every position, from the tokens up to it.
function M.logits(ids)
  return T.no_grad(function() return loaded:logits(ids) end)
end

return M
