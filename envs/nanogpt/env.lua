-- nanogpt - a small GPT trained for a fixed time: the loss on held-out text, as low as it goes.
return {
  name     = "nanogpt",
  about    = [[
train.lua trains the network of model.lua on text, on erlua's own tensors (erlua.tensor, erlua.nn, erlua.optim, erlua.data; the names are those
of PyTorch), until its budget is used up. The score is the mean cross-entropy in nats of the next token, on held-out text that
training never sees; a token is a byte, save in the preset 124m. The newest complete $ERLUA_OUT/checkpoint.safetensors is scored:
running over the budget is no failure, having no checkpoint is. Anything may change: architecture, initialisation, optimiser, schedule, loss, order of the data.
Rules:
- Scoring runs model.lua, as the idea has it, where there is only erlua.tensor, erlua.nn, erlua.safetensors.load and Lua's base, math, string and
  table, no files and no clock. It calls M.load("checkpoint.safetensors") and then M.logits(ids): ids (B, L) in, logits (B, L, vocab) out, floats.
- The logits at a position may depend on the tokens of its own window up to that position, and on nothing else: not on later tokens, other
  rows of the batch, earlier calls, or random numbers. This is probed on every window that is scored.
- The checkpoint holds at most 2 times as many numbers as the baseline's (124m: 1.5 times), buffers included, of 4 bytes at most. Its names,
  shapes and metadata, and model.lua, have at most 64 KiB each.
- Scoring takes at most 4 times as long as the baseline's.]],
  editable = { "model.lua", "train.lua" },
  frozen   = { "baseline.lua", "data.lua", "evaluate.lua" },
  inputs   = {
    text    = "gcide.txt",
    prepare = { "erlua", "data.lua" },
    get     = "`bash bootstrap.sh text` gets it from Debian's package dict-gcide; --text FILE trains on any other text",
  },
  data     = { "val.bin" },
  train    = { "erlua", "train.lua" },
  evaluate = { "erlua", "evaluate.lua" },
  metric   = "val_loss", direction = "min",                -- nats a token; bits_per_byte stands beside it
  reward   = function(m) return 1 / m.val_loss end,
  -- Counts of what follows up to three bytes, packed into the numbers that are allowed, come to 1.52. No limit tells such a
  -- table from weights of 32 bits: whoever is below is to be looked at.
  plausible = { min = 1.6 },
  budget   = { cpu = "10s" },
  limits   = { wall = "5m", memory = "2G" },
  presets  = {
    tiny     = {},                                         -- the default
    small    = { budget = { cpu = "60s" }, limits = { wall = "20m" }, plausible = { min = 1.4 } },
    ["124m"] = {
      inputs = {
        folder = "fineweb", get = "`erlua env nanogpt --fetch` downloads it",
        fetch  = { dataset = "kjj0/fineweb10B-gpt2", files = { "fineweb_val_*.bin", "fineweb_train_*.bin" }, most = 25 },
      },
      data   = { "fineweb_val_*.bin" },
      plausible = { min = 2.9 },
      budget = { wall = "25m" }, limits = { wall = "40m", memory = "64G", disk = "32G", gpus = 8 },
    },
  },
}
