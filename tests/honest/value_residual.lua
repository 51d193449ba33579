return {
  what = "values mixed with those of the first block", weights = "own",
  edits = {
    { "function Attention:forward(x)", "function Attention:forward(x, first)" },
    { "  local y = heads(q)", "  v = first and v * 0.5 + first * 0.5 or v\n  local y = heads(q)" },
    { "self.heads * self.head_width))\nend", "self.heads * self.head_width)), v\nend" },
    { "function Block:forward(x)\n  x = x + self.attention(x:rms_norm()) * self.attention_scale\n", [[
function Block:forward(x, first)
  local y, v = self.attention(x:rms_norm(), first)
  x = x + y * self.attention_scale
]] },
    { "  return x\nend\n\nlocal GPT", "  return x, first or v\nend\n\nlocal GPT" },
    { "for _, block in ipairs(self.blocks) do x = block(x) end", "local first\n  for _, block in ipairs(self.blocks) do x, first = block(x, first) end" },
  },
}
