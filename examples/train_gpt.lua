-- Trains a small GPT on the bytes of a text file, keeps it as a checkpoint, and writes on in the text's manner.
--   erlua examples/train_gpt.lua --text FILE [--seconds 60] [--layers 4] [--sample 500] [--temperature 0.8] ...
--   erlua examples/train_gpt.lua --load gpt.safetensors [--prompt "Once"] [--sample 500]

local T, nn, optim, safetensors = erlua.tensor, erlua.nn, erlua.optim, erlua.safetensors

local config = {
  text = "", load = "", out = "gpt.safetensors",
  seconds = 60, steps = 0,                          -- with steps above 0 these count, not the seconds
  layers = 4, dim = 128, heads = 4, context = 128, batch = 16, lr = 3e-3, seed = 1,
  sample = 500, temperature = 0.8, prompt = "\n",
}
for i = 1, #arg, 2 do
  local name, value = arg[i]:match("^%-%-(%a+)$"), arg[i + 1]
  local default = config[name or ""]
  if default == nil then error("there is no option " .. arg[i] .. "; this example has those at its top", 0) end
  if type(default) == "number" then value = tonumber(value) end
  config[name] = value or error(arg[i] .. " needs a " .. type(default), 0)
end

local Block = nn.Module("Block")

function Block:init(c)
  local std, out = 0.02, 0.02 / math.sqrt(2 * c.layers)     -- the sum over all blocks begins small
  self.norm1, self.norm2 = nn.RMSNorm(c.dim), nn.RMSNorm(c.dim)
  self.attn = nn.CausalSelfAttention {
    dim = c.dim, heads = c.heads, rope = true, bias = false, std = std, out_std = out }
  self.mlp = nn.MLP { dim = c.dim, bias = false, std = std, out_std = out }
end

function Block:forward(x)
  x = x + self.attn(self.norm1(x))
  return x + self.mlp(self.norm2(x))
end

local GPT = nn.Module("GPT")

function GPT:init(c)
  self.tokens, self.norm, self.blocks = nn.Embedding(256, c.dim, { std = 0.02 }), nn.RMSNorm(c.dim), {}
  for i = 1, c.layers do self.blocks[i] = Block(c) end
end

function GPT:hidden(ids)
  local x = self.tokens(ids)
  for _, block in ipairs(self.blocks) do x = block(x) end
  return self.norm(x)
end

function GPT:logits(ids) return self:hidden(ids):linear(self.tokens.weight) end
function GPT:loss(ids, targets) return (self:hidden(ids):lm_loss(self.tokens.weight, targets)) end

-- Windows from random places of the text: what is read, and what is to be guessed.
local function batch(ids)
  local n = config.context
  local windows = ids:unfold(1, n + 1, 1):index_select(1, T.randint(0, #ids - n, { config.batch }))
  return windows:narrow(2, 1, n), windows:narrow(2, 2, n)
end

local function save(model)
  local metadata = {}
  for _, name in ipairs { "layers", "dim", "heads", "context" } do metadata[name] = tostring(config[name]) end
  assert(safetensors.save(config.out, nn.state_dict(model), metadata))
end

local function train(model, ids)
  local cut = math.floor(#ids * 0.95)
  if #ids - cut <= config.context then error(config.text .. ": " .. #ids .. " bytes are too short a text", 0) end
  local train_ids, held_out = ids:narrow(1, 1, cut), ids:narrow(1, cut + 1, #ids - cut)
  local params = nn.parameters(model)
  local opt = optim.AdamW(params, { lr = config.lr, betas = { 0.9, 0.95 }, weight_decay = 0.1 })
  local schedule = optim.cosine { warmup = 0.05, final = 0.1 }
  local began, shown, step, progress = erlua.now(), 0, 0, 0
  while progress < 1 do
    local _ <close> = T.scope()
    local loss = model:loss(batch(train_ids))
    loss:backward()
    local norm = optim.clip_grad_norm(params, 1.0)
    opt.lr_factor = schedule(progress)
    opt:step()
    opt:zero_grad()
    step = step + 1
    local seconds = erlua.now() - began
    progress = config.steps > 0 and step / config.steps or seconds / config.seconds
    if seconds - shown >= 5 or progress >= 1 then
      local val = T.no_grad(model.loss, model, batch(held_out)):item()
      print(("step %5d  %3.0f s  loss %.3f  held out %.3f  gradient %.2f  %.0f tokens/s"):format(
        step, seconds, loss:item(), val, norm, step * config.batch * config.context / seconds))
      save(model)
      shown = seconds
    end
  end
end

local function sample(model)
  local ids = { config.prompt:byte(1, -1) }
  for _ = 1, config.sample do
    local _ <close> = T.scope()
    local seen = T.tensor { table.move(ids, math.max(1, #ids - config.context + 1), #ids, 1, {}) }
    local logits = model:logits(seen)[{ 1, -1 }]
    local greedy = config.temperature == 0
    ids[#ids + 1] = (greedy and logits:argmax() or (logits / config.temperature):softmax():multinomial(1)):item()
  end
  print(string.char(table.unpack(ids)))
end

T.manual_seed(config.seed)
local model
if config.load ~= "" then
  local weights, metadata = assert(safetensors.load(config.load))
  for name, value in pairs(metadata) do config[name] = tonumber(value) end
  model = GPT(config)
  nn.load_state_dict(model, weights)
else
  if config.text == "" then error("a text to train on is needed: --text FILE", 0) end
  model = GPT(config)
  train(model, assert(erlua.data.text(config.text)))
end
T.no_grad(sample, model)
