return {
  what = "a shift by one token", weights = "own",
  edits = { { "function MLP:forward(x) return", "function MLP:forward(x)\n  x = x * 0.7 + x:pad({ 0, 0, 1, -1 }) * 0.3\n  return" },
    { "self.fc(x, self.activation)) end", "self.fc(x, self.activation))\nend" } },
}
