return {
  what = "a bias by the byte before", weights = "own",
  edits = {
    { "  self.blocks    = {}\n", "  self.blocks    = {}\n  self.bigrams = nn.Embedding(config.vocab, config.vocab, { std = 0.01 })\n" },
    { "function GPT:loss(ids, targets) return self:forward(ids):lm_loss(self.tokens.weight, targets) end",
      "function GPT:loss(ids, targets) return self:logits(ids):cross_entropy(targets) end" },
    { ":linear(self.tokens.weight) end", ":linear(self.tokens.weight) + self.bigrams(ids) end" },
  },
}
