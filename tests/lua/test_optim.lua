-- erlua.optim: optimisers over groups, their state, and schedules.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local T, nn, optim = erlua.tensor, erlua.nn, erlua.optim
local pytorch = dofile(t.source .. "/tests/fixtures/optim.lua")

local STEPS = 12

-- The network of tests/fixtures/make_optim.py.
local function values(phase, ...)
  local n = 1
  for _, size in ipairs { ... } do n = n * size end
  return (((T.arange(n):to("f32") * 0.7 + phase):sin()) * 0.5):view(...)
end

local function parameters()
  local list = { values(1, 3, 4), values(2, 3), values(3, 2, 3), values(4, 3) }
  for _, p in ipairs(list) do p:requires_grad_() end
  return list
end

local function loss_of(params, step)
  local y = values(5, 5, 4):linear(params[1], params[2]):tanh():linear(params[3])
  local loss = (y - values(6, 5, 2)):square():mean()
  if step >= 4 then loss = loss + (params[4] - 1):square():sum() * 0.1 end
  return loss
end

local function run(make, clip, schedule)
  local params = parameters()
  local opt = make(table.unpack(params))
  local out = { losses = {}, norms = {}, params = {} }
  for step = 0, STEPS - 1 do
    local _ <close> = T.scope()
    opt:zero_grad()
    local loss = loss_of(params, step)
    loss:backward()
    if clip then out.norms[step + 1] = optim.clip_grad_norm(params, clip) end
    if schedule then opt.lr_factor = schedule(step / STEPS) end
    opt:step()
    out.losses[step + 1] = loss:item()
  end
  for i, p in ipairs(params) do out.params[i] = p:flatten():tolist() end
  return out
end

local function same(got, want)
  for _, what in ipairs { "losses", "norms" } do
    t.eq(#got[what], #want[what])
    for i, x in ipairs(want[what]) do t.near(got[what][i], x, 2e-6) end
  end
  for i, p in ipairs(want.params) do
    for j, x in ipairs(p) do t.near(got.params[i][j], x, 5e-6) end
  end
end

t.test("AdamW with groups, clipping and a schedule takes PyTorch's way, also where a gradient comes late", function()
  same(run(function(w1, b, w2, late)
    return optim.AdamW({ { params = { w1, w2 } }, { params = { b, late }, lr = 0.02, weight_decay = 0 } },
      { lr = 0.05, weight_decay = 0.1 })
  end, 0.3, optim.cosine { warmup = 0.25, final = 0.1 }), pytorch.adamw)
  same(run(function(...)
    return optim.AdamW({ ... }, { lr = 0.03, betas = { 0.8, 0.9 }, eps = 1e-4, weight_decay = 0.02 })
  end, nil, optim.wsd { decay = 0.5 }), pytorch.adamw_wsd)
end)

t.test("SGD takes PyTorch's way, with momentum, dampening, decay and Nesterov's look ahead", function()
  same(run(function(...) return optim.SGD({ ... }, { lr = 0.2 }) end), pytorch.sgd)
  same(run(function(...)
    return optim.SGD({ ... }, { lr = 0.1, momentum = 0.9, dampening = 0.5, weight_decay = 0.1 })
  end, 0.5), pytorch.sgd_momentum)
  same(run(function(...) return optim.SGD({ ... }, { lr = 0.1, momentum = 0.9, nesterov = true }) end, nil,
    optim.cosine { warmup = 0.25, final = 0.1 }), pytorch.sgd_nesterov)
end)

t.test("Muon steps along the orthogonalised momentum", function()
  T.manual_seed(1)
  local p, m = T.randn(6, 3, { requires_grad = true }), T.zeros(6, 3)
  local opt = optim.Muon({ p }, { lr = 0.1, momentum = 0.9, weight_decay = 0.2 })
  local want = p:detach():clone()
  for _ = 1, 3 do
    p:square():sum():backward()
    m = m * 0.9 + p.grad
    want = want * (1 - 0.1 * 0.2) - T.orthogonal(p.grad + m * 0.9) * (0.1 * math.sqrt(2))
    opt:step()
    opt:zero_grad()
    t.ok((p:detach() - want):abs():max():item() < 1e-5, "p follows the formula")
  end
  t.raises(function() optim.Muon { T.ones(3, { requires_grad = true }) } end,
    "parameter 1 of group 1 is of %(3%) f32; it steps matrices only")
end)

t.test("rates and other options may be written between steps, for all and for a group", function()
  local a, b = T.zeros(1, { requires_grad = true }), T.zeros(1, { requires_grad = true })
  local opt = optim.SGD({ { params = { a } }, { params = { b }, lr = 10 } }, { lr = 1 })
  local function moved()
    local was = { a:item(), b:item() }
    T.sum(a + b):backward()
    opt:step()
    opt:zero_grad()
    return { was[1] - a:item(), was[2] - b:item() }
  end
  t.eq(moved(), { 1.0, 10.0 })
  opt.lr = 2
  t.eq(moved(), { 2.0, 10.0 })
  opt.groups[2].lr = 3
  t.eq(moved(), { 2.0, 3.0 })
  opt.lr_factor = 0.5
  t.eq(moved(), { 1.0, 1.5 })
  opt.groups[1].lr = 0
  t.eq(moved(), { 0.0, 1.5 })
  optim.AdamW({ a }).betas[1] = 0.5
  t.eq(optim.AdamW({ a }).betas, { 0.9, 0.95 }, "another optimiser keeps its own")
end)

t.test("a group may be empty, and then has no state", function()
  local p = T.ones(2, { requires_grad = true })
  local opt = optim.SGD({ { params = {} }, { params = { p } } }, { lr = 1 })
  p:sum():backward()
  opt:step()
  t.eq(p:tolist(), { 0.0, 0.0 })
  opt:load_state_dict(opt:state_dict())
  opt = optim.SGD { { params = {} } }
  opt:step()
  opt:load_state_dict(opt:state_dict())
end)

t.test("zero_grad forgets the gradients of all groups", function()
  local a, b = T.ones(2, { requires_grad = true }), T.ones(2, { requires_grad = true })
  local opt = optim.AdamW { { params = { a } }, { params = { b } } }
  T.sum(a * b):backward()
  opt:zero_grad()
  t.eq({ a.grad, b.grad }, {})
  opt:step()
  t.eq({ a:tolist(), b:tolist() }, { { 1.0, 1.0 }, { 1.0, 1.0 } }, "no gradient, no step")
end)

t.test("bf16 parameters add up small steps in f32, and begin with the weights that were loaded", function()
  for _, make in ipairs { optim.SGD, optim.AdamW } do
    local p = T.zeros(4, 4, { dtype = "bf16", requires_grad = true })
    local opt = make({ p, T.ones(2, { requires_grad = true }) }, { lr = 1e-3, weight_decay = 0 })
    T.no_grad(function() p:fill_(1) end)
    for _ = 1, 100 do
      p:sum():backward()
      opt:step()
      opt:zero_grad()
    end
    t.near(p:to("f32"):mean():item(), 0.9, 0.01)
    t.eq(opt:state_dict()["1.master"].dtype, "f32")
    t.eq(opt:state_dict()["2.master"], nil)
  end
end)

-- A small language model that uses random numbers in every step.
local function trainer()
  T.manual_seed(7)
  local model = { embed = nn.Embedding(16, 8), mlp = nn.MLP { dim = 8, dropout = 0.1 } }
  local matrices, others = {}, {}
  for _, p in ipairs(nn.parameters(model)) do table.insert(p:dim() == 2 and matrices or others, p) end
  local muon = optim.Muon(matrices, { lr = 0.01 })
  local adam = optim.AdamW({ { params = others, weight_decay = 0 } }, { lr = 1e-2 })
  local function step()
    local _ <close> = T.scope()
    local ids = T.randint(0, 16, { 32 })
    local h = model.embed(ids)
    local loss = (h + model.mlp(h)):lm_loss(model.embed.weight, ids)
    loss:backward()
    muon:step()
    adam:step()
    muon:zero_grad()
    adam:zero_grad()
    return loss:item()
  end
  return { model = model, muon = muon, adam = adam, step = step }
end

local function copies(dict)
  local out = {}
  for name, x in pairs(dict) do out[name] = x:detach():clone() end
  return out
end

t.test("a run that is stopped and resumed in another optimiser goes on bit for bit", function()
  local want, one = {}, trainer()
  for i = 1, 20 do want[i] = one.step() end

  local got, first = {}, trainer()
  for i = 1, 10 do got[i] = first.step() end
  local kept = {}
  for i, part in ipairs { nn.state_dict(first.model), first.muon:state_dict(), first.adam:state_dict() } do
    kept[i] = copies(part)
  end
  local seed, call = T.get_rng_state()

  local second = trainer()
  nn.load_state_dict(second.model, kept[1])
  second.muon:load_state_dict(kept[2])
  second.adam:load_state_dict(kept[3])
  T.set_rng_state(seed, call)
  for i = 11, 20 do got[i] = second.step() end
  t.eq(got, want)
  for name, x in pairs(nn.state_dict(one.model)) do
    t.ok(x:tobytes() == nn.state_dict(second.model)[name]:tobytes(), name .. " is the same to the bit")
  end
end)

t.test("a state of another optimiser is refused whole", function()
  local p = T.ones(2, 3, { requires_grad = true })
  local opt = optim.AdamW { p }
  p:sum():backward()
  opt:step()
  local function refused(change, pattern)
    local state = copies(opt:state_dict())
    state["1.m"]:fill_(9)
    change(state)
    t.raises(function() opt:load_state_dict(state) end, pattern)
    t.near(opt:state_dict()["1.m"]:max():item(), 0.1, 1e-6)
  end
  refused(function(s) s["1.v"] = nil end, "1.v is missing")
  refused(function(s) s["1.v"] = T.ones(3, 2) end, "1.v is of another shape or dtype")
  refused(function(s) s["1.v"] = 1 end, "1.v is of another")
  refused(function(s) s["2.m"] = T.ones(1) end, "it has 2.m")
  refused(function(s) s.ages = T.tensor { -1 } end, "ages")
  refused(function(s) s.ages = nil end, "ages is missing")
  t.raises(function() opt:load_state_dict(nil) end, "tensors by name are expected, got a nil")
end)

t.test("memory of the state is there from the beginning, and steps inside scopes add none", function()
  local p = T.zeros(100, 100, { requires_grad = true })
  local opt = optim.AdamW { p }
  local before
  for step = 1, 20 do
    local _ <close> = T.scope()
    T.square(p - 1):sum():backward()
    opt:step()
    opt:zero_grad()
    if step == 5 then before = T.memory().tensors end
  end
  t.ok(T.memory().tensors <= before, "no storage more after 20 steps than after 5")
end)

t.test("schedules rise, hold and fall where they should, and stay in 0 to 1", function()
  local function at(f, ...)
    local out = {}
    for i, p in ipairs { ... } do out[i] = math.floor(f(p) * 1000 + 0.5) / 1000 end
    return out
  end
  t.eq(at(optim.constant(), 0, 0.5, 1), { 1.0, 1.0, 1.0 })
  t.eq(at(optim.constant { warmup = 0.5 }, 0, 0.25, 0.5, 1), { 0.0, 0.5, 1.0, 1.0 })
  t.eq(at(optim.linear { warmup = 0.2 }, 0, 0.1, 0.2, 0.6, 1, 2, -1), { 0.0, 0.5, 1.0, 0.5, 0.0, 0.0, 0.0 })
  t.eq(at(optim.linear { final = 0.1 }, 0, 1), { 1.0, 0.1 })
  t.eq(at(optim.cosine { warmup = 0.1, final = 0.2 }, 0.1, 0.55, 1), { 1.0, 0.6, 0.2 })
  t.eq(at(optim.wsd { warmup = 0.1, decay = 0.4 }, 0.05, 0.1, 0.6, 0.8, 1), { 0.5, 1.0, 1.0, 0.5, 0.0 })
  t.eq(at(optim.wsd(), 0, 0.8, 0.9), { 1.0, 1.0, 0.5 })
  t.eq(at(optim.linear { warmup = 1 }, 0.5, 1), { 0.5, 1.0 })
  t.eq(at(optim.wsd { decay = 0 }, 0.5, 1), { 1.0, 1.0 })
  t.raises(function() optim.linear { warmup = 2 } end,
    "test_optim.lua:%d+: optim.linear: warmup is a number from 0 to 1, got 2")
  t.raises(function() optim.cosine { decay = 0.1 } end, "optim.cosine has no option 'decay'")
  t.raises(function() optim.wsd { warmup = 0.7, decay = 0.7 } end, "together at most 1")
end)

t.test("misuse of an optimiser says what is wrong, at the line that made it", function()
  local p = T.ones(2, { requires_grad = true })
  local function raises(fn, pattern) t.match(tostring(t.raises(fn, pattern)), "test_optim.lua:%d+:") end
  raises(function() optim.AdamW {} end, "a list of parameters or of groups is expected")
  raises(function() optim.AdamW(p) end, "a list of parameters or of groups is expected")
  raises(function() optim.AdamW { T.ones(2) } end, "parameter 1 of group 1 asks for no gradient")
  raises(function() optim.AdamW { p * 2 } end, "asks for no gradient")
  raises(function() optim.AdamW { p, 3 } end, "parameter 2 of group 1 is no tensor")
  raises(function() optim.AdamW { p, p } end, "parameter 2 of group 1 is there twice")
  raises(function() optim.AdamW({ p }, { momentum = 1 }) end,
    "has no 'momentum'; there are lr, betas, eps, weight_decay")
  raises(function() optim.AdamW { { params = { p }, rate = 1 } } end, "group 1 has no 'rate'")
  raises(function() optim.AdamW({ p }, 3) end, "options are a table, got number")
  raises(function() optim.AdamW({ p }, { params = { p } }) end, "has no 'params'")
  raises(function() optim.AdamW { { lr = 1 } } end, "group 1 has no list params")
  raises(function() optim.AdamW({ p }, { lr = "1" }) end,
    "lr of the table of options is a number, got string")
  raises(function() optim.AdamW({ p }, { betas = { 0.9 } }) end, "betas of the table of options is two numbers")
  raises(function() optim.SGD { { params = { p }, nesterov = 1 } } end, "nesterov of group 1 is a boolean, got number")
end)

return t
