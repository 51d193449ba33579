return {
  what = "soft-capped logits", weights = "own",
  edits = {
    { "lm_loss(self.tokens.weight, targets)", "lm_loss(self.tokens.weight, targets, { softcap = 15 })" },
    { ":linear(self.tokens.weight) end", ":linear(self.tokens.weight):softcap(15) end" },
  },
}
