return {
  what = "a head for the token after next, which scoring does not use", weights = "own",
  edits = {
    { "  self.blocks    = {}\n", "  self.blocks    = {}\n  self.second = nn.Linear(config.width, config.width, { bias = false })\n" },
    { "function GPT:loss(ids, targets) return self:forward(ids):lm_loss(self.tokens.weight, targets) end", [[
function GPT:loss(ids, targets)
  local x, L = self:forward(ids), ids:size(2)
  local after = self.second(x:narrow(2, 1, L - 1)):lm_loss(self.tokens.weight, targets:narrow(2, 2, L - 1):contiguous())
  return x:lm_loss(self.tokens.weight, targets) + after * 0.3
end]] },
  },
}
