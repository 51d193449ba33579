-- train.lua - trains the network of model.lua until the budget is used up. The newest checkpoint in $ERLUA_OUT is scored.

local T, nn, optim = erlua.tensor, erlua.nn, erlua.optim
local model = dofile("model.lua")

local config = {
  -- the network
  vocab        = 256,          -- fixed by the data: of a text, tokens are bytes
  context      = 64,           -- fixed by the evaluation: tokens in a window
  layers       = 2,            -- blocks of attention and MLP
  width        = 64,           -- numbers for a token between blocks
  heads        = 2,            -- of attention, each width / heads wide
  mlp_ratio    = 4.0,          -- hidden units of the MLP for one of width
  activation   = "gelu",       -- of the MLP: gelu | gelu_tanh | relu | relu2 | silu
  init_std     = 0.02,         -- of the normal distribution that weights are drawn from
  dtype        = "f32",        -- of weights and activations: f32 | bf16
  -- AdamW
  batch        = 8,            -- windows in a pass
  passes       = 1,            -- whose gradients make up a step
  lr           = 1.5e-3,       -- learning rate, at its highest
  schedule     = "linear",     -- of it over the budget: constant | linear | cosine | wsd
  warmup       = 0.05,         -- share of the budget in which it rises from 0
  beta1        = 0.9,          -- how much of the mean gradient stays in a step
  beta2        = 0.95,         -- and of its mean square
  weight_decay = 0.1,          -- of all weights, times the learning rate
  clip         = 1.0,          -- the largest norm of a step's gradient
}

local presets = {              -- what other presets change
  small    = { context = 128, width = 96, heads = 3 },
  ["124m"] = { vocab = 50304, context = 1024, layers = 12, width = 768, heads = 12, dtype = "bf16", batch = 16,
               passes = 16, warmup = 0.08 },
}
for name, value in pairs(presets[os.getenv("ERLUA_PRESET")] or {}) do config[name] = value end

local SAVE_EVERY = 0.2         -- share of the budget between two checkpoints
local LOG_EVERY  = 10          -- steps between two points of the curves

local budget = tonumber(os.getenv("ERLUA_BUDGET")) or error("train.lua: ERLUA_BUDGET says for how many seconds to train")
local usable = budget - math.min(0.1 + 0.01 * budget, 0.5 * budget)     -- the rest is for the start and the last checkpoint
local out    = os.getenv("ERLUA_OUT") or error("train.lua: ERLUA_OUT names the folder for the checkpoint")
local seed   = math.tointeger(os.getenv("ERLUA_SEED")) or 1
local curve  = io.open(os.getenv("ERLUA_CURVE") or "/dev/null", "a")

if os.getenv("ERLUA_BUDGET_CLOCK") == "cpu" then T.threads(1) end     -- more would use it up sooner
T.manual_seed(seed)

local net      = model.new(config)
local weights  = nn.parameters(net)
local opt      = optim.AdamW(weights, { betas = { config.beta1, config.beta2 }, weight_decay = config.weight_decay })
local schedule = optim[config.schedule] { warmup = config.warmup }
local loader   = assert(erlua.data.shards("*train*.bin", { batch = config.batch, length = config.context, seed = seed }))

-- How much of the time for training is over: 0 at the start, 1 at its end.
local function progress() return (budget - erlua.time_left()) / usable end

-- One step of the optimiser; the loss and the norm of the gradient before it.
local function train_step(lr)
  local scope <close> = T.scope()                                     -- frees the step's tensors at its end
  local total = 0
  for _ = 1, config.passes do
    local ids, targets = assert(loader:next())
    local loss = net:loss(ids, targets) / config.passes
    loss:backward()
    total = total + loss:item()
  end
  local norm = optim.clip_grad_norm(weights, config.clip)
  opt.lr = lr
  opt:step()
  opt:zero_grad()
  return total, norm
end

local function save() model.save(net, out .. "/checkpoint.safetensors") end

local step, saved, logged, logged_at = 0, 0, 0, erlua.time_left()
while progress() < 1 do
  local loss, norm = train_step(config.lr * schedule(progress()))
  step = step + 1
  if loss ~= loss then error("the loss is not a number at step " .. step) end
  if step % LOG_EVERY == 0 then
    local now = erlua.time_left()
    local rate = (step - logged) * config.passes * config.batch * config.context / (logged_at - now)
    curve:write(string.format('{"step":%d,"loss":%.5g,"grad_norm":%.4g,"tokens_per_second":%.0f}\n', step, loss, norm, rate))
    curve:flush()
    logged, logged_at = step, now
  end
  if progress() - saved >= SAVE_EVERY then
    save()
    saved = progress()
  end
end
save()
