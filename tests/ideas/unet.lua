-- U-net skips: the outputs of the first half of the layers are added to the inputs of the second, last one first.

local base = ...
local T = erlua.tensor

base.config.layers = 4

local init = base.GPT.init

function base.GPT:init(c)
  init(self, c)
  self.skip = T.ones(c.layers // 2, { requires_grad = true })
end

function base.GPT:through(x)
  local stack, half = {}, #self.blocks // 2
  for i, block in ipairs(self.blocks) do
    if i > half then x = x + table.remove(stack) * self.skip[i - half] end
    x = block(x)
    if i <= half then stack[i] = x end
  end
  return x
end
