return {
  what = "skips from the first half of the blocks to the second", weights = "own",
  edits = { { "for _, block in ipairs(self.blocks) do x = block(x) end", [[
local kept = {}
  for i, block in ipairs(self.blocks) do
    if i <= #self.blocks // 2 then kept[#kept + 1] = x else x = x + table.remove(kept) * 0.5 end
    x = block(x)
  end]] } },
}
