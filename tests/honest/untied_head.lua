return {
  what = "a head of its own", weights = "own",
  edits = {
    { "  self.blocks    = {}\n", "  self.blocks    = {}\n  self.head = nn.Linear(config.width, config.vocab, { bias = false, std = config.init_std })\n" },
    { ":lm_loss(self.tokens.weight", ":lm_loss(self.head.weight" },
    { ":linear(self.tokens.weight)", ":linear(self.head.weight)" },
  },
}
