return {
  what = "gated attention", weights = "own",
  edits = {
    { "  self.proj = nn.Linear(self.heads * self.head_width, config.width, weights)\n",
      "  self.proj = nn.Linear(self.heads * self.head_width, config.width, weights)\n  self.gate = nn.Linear(config.width, self.heads * self.head_width, weights)\n" },
    { "self.heads * self.head_width))\nend", "self.heads * self.head_width) * self.gate(x):sigmoid())\nend" },
  },
}
