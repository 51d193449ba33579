-- z-loss: the logarithm of the softmax's sum is drawn to 0, by the loss that never holds the logits.

local base = ...

function base.GPT:loss(ids, targets)
  return (self:hidden(ids):lm_loss(self.head.weight, targets, { z_loss = 1e-3 }))
end
