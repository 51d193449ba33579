return {
  what = "tokens that choose their expert, without capacity", weights = "own",
  edits = {
    { "  self.attention, self.mlp = Attention(config), MLP(config)\n", [[
  self.attention, self.router, self.experts = Attention(config), nn.Linear(config.width, 4, { bias = false }), {}
  for i = 1, 4 do self.experts[i] = MLP(config) end
]] },
    { "  x = x + self.mlp(x:rms_norm())\n", [[
  local B, L, D = x:size(1), x:size(2), x:size(3)
  local flat = x:rms_norm():reshape(B * L, D)
  local weight, chosen = self.router(flat):softmax(2):max(2, true)
  local y = T.zeros(B * L, D)
  for i, expert in ipairs(self.experts) do
    local rows = chosen:reshape(-1):eq(i - 1):nonzero():reshape(-1)
    if rows:numel() > 0 then y = y:index_add(1, rows, expert(flat:index_select(1, rows)) * weight:index_select(1, rows)) end
  end
  x = x + y:view(B, L, D)
]] },
  },
}
