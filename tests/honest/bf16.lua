return {
  what = "bf16 weights and logits", weights = "own",
  edits = { { "local M, loaded = {}, nil", "local M, loaded = {}, nil\nlocal to = nn.to\nnn.to = function(net) return to(net, \"bf16\") end" } },
}
