return {
  what = "a causal convolution", weights = "own",
  edits = {
    { "  self.attention, self.mlp = Attention(config), MLP(config)\n",
      "  self.attention, self.mlp = Attention(config), MLP(config)\n  self.conv = (T.randn(config.width, 4) * 0.1):requires_grad_()\n" },
    { "function Block:forward(x)\n", "function Block:forward(x)\n  x = x + x:conv1d(self.conv)\n" },
  },
}
