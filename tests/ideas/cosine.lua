-- The learning rate rises for a tenth of the run, and then falls along half a cosine.

local base = ...

base.schedule = erlua.optim.cosine { warmup = 0.1, final = 0.1 }
