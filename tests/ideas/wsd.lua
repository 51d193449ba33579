-- Warm-up, stable, decay: the learning rate falls only in the last third of the run.

local base = ...

base.schedule = erlua.optim.wsd { warmup = 0.1, decay = 0.3 }
