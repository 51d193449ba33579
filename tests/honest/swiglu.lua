return {
  what = "SwiGLU", weights = "own",
  edits = {
    { "  self.fc   = nn.Linear(", "  self.gate = nn.Linear(config.width, hidden, weights)\n  self.fc   = nn.Linear(" },
    { "self.fc(x, self.activation)", "self.gate(x):silu() * self.fc(x)" },
  },
}
