return {
  what = "heads that share keys and values", weights = "own",
  edits = {
    { "nn.Linear(config.width, 3 * self.heads * self.head_width, weights)", "nn.Linear(config.width, (self.heads + 2) * self.head_width, weights)" },
    { "  local q, k, v = self.qkv(x):chunk(3, -1)\n", [[
  local q, k, v = self.qkv(x):split({ self.heads * self.head_width, self.head_width, self.head_width }, -1)
]] },
    { "local function heads(t) return t:view(B, L, self.heads,", "local function heads(t) return t:reshape(B, L, t:size(3) // self.head_width," },
  },
}
