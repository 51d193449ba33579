-- Multi-token prediction: a second head guesses the token after the next one; it is not used at evaluation.

local base = ...
local nn = erlua.nn

local init = base.GPT.init

function base.GPT:init(c)
  init(self, c)
  self.second = nn.Linear(c.dim, c.dim)
end

function base.GPT:loss(ids, targets)
  local h, n = self:hidden(ids), ids:size(2)
  local after = self.head(self.second(h:narrow(2, 1, n - 1)))
  return self.head(h):cross_entropy(targets) + after:cross_entropy(targets:narrow(2, 2, n - 1)) * 0.3
end
