return {
  what = "blocks that are run twice", weights = "own",
  edits = { { "for _, block in ipairs(self.blocks) do x = block(x) end", "for _ = 1, 2 do\n    for _, block in ipairs(self.blocks) do x = block(x) end\n  end" } },
}
