-- erlua.tensor: tensors as Lua sees them.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local T = erlua.tensor

local function near(got, want, within)
  local a, b = got:flatten():tolist(), want
  t.eq(#a, #b)
  for i = 1, #b do t.near(a[i], b[i], within or 1e-5) end
end

t.test("tensors are made from numbers, nested lists and bytes", function()
  local x = T.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
  t.eq({ x.shape, x.dtype, #x, x:numel(), x:dim() }, { { 2, 3 }, "i32", 2, 6, 2 })
  t.eq(T.tensor({ 1.5, 2 }).dtype, "f32")
  t.eq(T.tensor(3):item(), 3)
  t.eq(T.tensor({ 1, 2 }, { dtype = "bf16" }):tolist(), { 1.0, 2.0 })
  t.eq(T.frombuffer("\1\0\2\0\255\255", "u16"):tolist(), { 1, 2, 65535 })
  t.eq(T.frombuffer(x:tobytes(), "i32", 3, 2):tolist(), { { 1, 2 }, { 3, 4 }, { 5, 6 } })
  t.eq(T.arange(2, 8, 2):tolist(), { 2, 4, 6 })
  t.eq(T.full({ 2 }, 7, { dtype = "u8" }):tolist(), { 7, 7 })
  t.raises(function() T.tensor { { 1, 2 }, { 3 } } end, "differ in length")
  t.raises(function() T.tensor { "1" } end, "number is expected")
  t.raises(function() T.frombuffer("abc", "f32", 1) end, "the buffer has 3")
  t.raises(function() T.zeros(2, { dtype = "f64" }) end, "there is no dtype 'f64'")
  t.raises(function() T.zeros(2, { colour = 1 }) end, "no option 'colour'")
end)

t.test("elements and ranges count from 1, and are views", function()
  local x = T.arange(12):view(3, 4)
  t.eq(x[2]:tolist(), { 4, 5, 6, 7 })
  t.eq(x[-1][1]:item(), 8)
  t.eq(x[{ { 1, 2 }, { 2, -1 } }]:tolist(), { { 1, 2, 3 }, { 5, 6, 7 } })
  t.eq(x[{ {}, 1 }]:tolist(), { 0, 4, 8 })
  t.eq(x[{ 2, { 1, 4, 2 } }]:tolist(), { 4, 6 })
  x[{ 2, {} }] = 0
  x[3] = T.tensor { 1, 1, 1, 1 }
  t.eq(x:tolist(), { { 0, 1, 2, 3 }, { 0, 0, 0, 0 }, { 1, 1, 1, 1 } })
  t.raises(function() return x[4] end, "outside of a dim of 3")
  t.raises(function() return x[0] end, "count from 1")
  t.raises(function() return x[{ 1, 1, 1 }] end, "more entries")
  t.raises(function() return x:transpose(0, 1) end, "count from 1")
  t.raises(function() return x.nothing end, "no 'nothing'")
end)

t.test("arithmetic broadcasts, with numbers on either side", function()
  local a, b = T.tensor { { 1.0, 2.0 }, { 3.0, 4.0 } }, T.tensor { 10.0, 20.0 }
  near(a + b, { 11, 22, 13, 24 })
  near(1 - a, { 0, -1, -2, -3 })
  near(2 / a * b, { 20, 20, 20 / 3, 10 })
  near(-a ^ 2, { -1, -4, -9, -16 })
  near(2 ^ a, { 2, 4, 8, 16 })
  near(a:add(b, { alpha = 0.5 }), { 6, 12, 8, 14 })
  t.eq(a:gt(2):tolist(), { { 0, 0 }, { 1, 1 } })
  t.eq(T.lt(2, a):tolist(), a:gt(2):tolist())
  t.eq((T.tensor { 7, 8 } / 2):tolist(), { 3.5, 4.0 })
  near(T.where(a:gt(2), a, 0), { 0, 0, 3, 4 })
  t.raises(function() return a + T.ones(3) end, "add of %(2, 2%) f32 and %(3%) f32")
  t.raises(function() return a + "x" end, "tensor")
end)

t.test("reductions take dims, several dims, and keep them if asked", function()
  local x = T.arange(24):to("f32"):view(2, 3, 4)
  t.eq(x:sum():item(), 276.0)
  t.eq(x:sum(-1).shape, { 2, 3 })
  t.eq(x:mean({ 1, 3 }, true).shape, { 1, 3, 1 })
  local values, index = x:max(2)
  t.eq({ values.shape, index:tolist() }, { { 2, 4 }, { { 2, 2, 2, 2 }, { 2, 2, 2, 2 } } })
  t.eq(x:argmax():item(), 23)
  local top, at = T.tensor({ 3.0, 1.0, 2.0 }):topk(2)
  t.eq({ top:tolist(), at:tolist() }, { { 3.0, 2.0 }, { 0, 2 } })
  t.near(x:var():item(), 50, 1e-4)
  t.raises(function() return x:sum(4) end, "no dim 4")
end)

t.test("gradients reach the leaves, and stop at no_grad and detach", function()
  local w = T.tensor({ 1.0, 2.0, 3.0 }, { requires_grad = true })
  local loss = (w * w):sum()
  loss:backward()
  near(w.grad, { 2, 4, 6 })
  t.raises(function() loss:backward() end, "computed before")
  w.grad = nil
  t.eq(w.grad, nil)
  t.eq(T.no_grad(function() return (w * 2).requires_grad end), false)
  t.eq((w:detach() * 2).requires_grad, false)
  t.raises(function() T.no_grad(function() error("inside") end) end, "inside")
  t.eq(T.is_grad_enabled(), true)
  t.raises(function() w:add_(1) end, "no_grad")
  T.no_grad(function() w:add_(1):mul_(2) end)
  near(w, { 4, 6, 8 })
  t.raises(function() T.tensor({ 1 }, { requires_grad = true }) end, "floating")
end)

t.test("checkpoint recomputes: same gradients, and errors of the function come through", function()
  local w = T.tensor({ 0.5, 0.25 }, { requires_grad = true })
  local x = T.tensor({ 1.0, 2.0 }, { requires_grad = true })
  local calls = 0
  local function f(a)
    calls = calls + 1
    return (a * w):tanh():dropout(0.5)
  end
  T.manual_seed(3)
  f(x):sum():backward()
  local want, want_w = x.grad:tolist(), w.grad:tolist()
  x.grad, w.grad = nil, nil
  T.manual_seed(3)
  T.checkpoint(f, x):sum():backward()
  t.eq({ x.grad:tolist(), w.grad:tolist(), calls }, { want, want_w, 3 })
  t.raises(function() T.checkpoint(function() error("no block") end, x) end, "no block")
  local y = T.checkpoint(function(a) calls = calls + 1 if calls > 4 then error("later") end return a * 2 end, x)
  t.raises(function() y:sum():backward() end, "later")
  t.eq(T.is_grad_enabled(), true)
end)

t.test("a recomputation that goes backward through itself is an error, and one that raises no text too", function()
  local calls, message = 0, nil
  local x = T.ones(4, { requires_grad = true })
  local y
  y = T.checkpoint(function(a)
    calls = calls + 1
    x = nil
    collectgarbage()
    if calls == 2 then message = select(2, pcall(y.backward, y, T.ones(4))) end
    return a * 2
  end, x)
  y:backward(T.ones(4))
  t.match(message, "gradient of checkpoint was computed before")
  local z = T.checkpoint(function(a)
    calls = calls + 1
    if calls == 4 then error(setmetatable({}, { __tostring = function() error("in the text") end })) end
    return a * 2
  end, T.ones(1, { requires_grad = true }))
  t.raises(function() z:backward() end, "raised a table")
  t.eq(T.is_grad_enabled(), true)
end)

t.test("a scope frees what was made in it, but for what is returned or kept", function()
  local inner, kept
  local out = T.scope(function()
    inner = T.ones(3)
    kept = T.ones(2):keep()
    return { deep = inner + 1 }
  end)
  t.eq({ out.deep:tolist(), kept:tolist() }, { { 2.0, 2.0, 2.0 }, { 1.0, 1.0 } })
  t.raises(function() return inner + 1 end, "freed when the scope ended")
  do
    local s <close> = T.scope()
    inner = T.ones(2)
  end
  t.raises(function() inner:sum() end, "freed")
  t.raises(function() T.scope(function() inner = T.ones(1) error("out") end) end, "out")
  t.raises(function() inner:sum() end, "freed")
end)

t.test("the same seed gives the same run, whatever the number of threads, and state brings it back", function()
  local before = T.threads()
  local function run(threads)
    T.threads(threads)
    T.manual_seed(5)
    local w = T.randn(200, 300, { requires_grad = true })
    for _ = 1, 3 do
      T.randn(150, 300):linear(w, nil, "gelu_tanh"):dropout(0.2):square():mean():backward()
      T.no_grad(function() w:sub_(w.grad) end)
    end
    return w:tobytes()
  end
  local one = run(1)
  t.ok(one == run(3), "one and three threads agree bit for bit")
  T.threads(before)
  T.manual_seed(1)
  T.randn(3)
  local seed, call = T.get_rng_state()
  local want = T.randn(5):tolist()
  T.set_rng_state(seed, call)
  t.eq(T.randn(5):tolist(), want)
end)

-- A small language model, with public names only: its parameters and its loss on the text from place `at` on.
local V, C, H, L, B, N = 61, 32, 2, 32, 4, 2

local function text()
  local ids = {}
  for i = 1, 2000 do ids[i] = (i * i + i // 7) % V end
  return T.tensor(ids)
end

local function model(scale)
  local params = {}
  local function param(...)
    params[#params + 1] = (T.randn(...) * scale):detach():requires_grad_()
    return params[#params]
  end
  local blocks, wte = {}, param(V, C)
  for i = 1, N do blocks[i] = { qkv = param(3 * C, C), o = param(C, C), fc = param(4 * C, C), proj = param(C, 4 * C) } end
  local function loss(ids, at, dtype)
    local function cast(w) return dtype and w:to(dtype) or w end
    local x = ids:narrow(1, at + 1, B * L):view(B, L):embedding(cast(wte))
    for _, b in ipairs(blocks) do
      local q, k, val = x:rms_norm():linear(cast(b.qkv)):view(B, L, 3 * H, C // H):transpose(2, 3):chunk(3, 2)
      local a = q:rms_norm():rope():scaled_dot_product_attention(k:rms_norm():rope(), val, { is_causal = true })
      x = x + a:transpose(2, 3):reshape(B, L, C):linear(cast(b.o))
      x = x + x:rms_norm():linear(cast(b.fc), nil, "relu2"):linear(cast(b.proj))
    end
    return (x:rms_norm():lm_loss(cast(wte), ids:narrow(1, at + 2, B * L)))
  end
  return params, loss
end

local function train(steps, dtype)
  T.manual_seed(1)
  local ids, m, v, first, last = text(), {}, {}, nil, nil
  local params, loss_of = model(0.05)
  for i, p in ipairs(params) do m[i], v[i] = T.zeros_like(p), T.zeros_like(p) end
  for step = 1, steps do
    local s <close> = T.scope()
    local loss = loss_of(ids, step * 53 % 1500, dtype)
    loss:backward()
    T.clip_grad_norm_(params, 1)
    T.adamw_step(params, m, v, nil, { lr = 3e-3, weight_decay = 0.1, step = step })
    T.zero_grad(params)
    last = loss:item()
    first = first or last
  end
  return first, last
end

t.test("the gradients of a whole model in bf16 point where those in f32 do", function()
  T.manual_seed(2)
  local ids = text()
  local params, loss_of = model(0.1)
  loss_of(ids, 0):backward()
  local want = {}
  for i, p in ipairs(params) do want[i] = p.grad:clone() end
  T.zero_grad(params)
  loss_of(ids, 0, "bf16"):backward()
  for i, p in ipairs(params) do
    local g, w = p.grad, want[i]
    local cosine = ((g * w):sum() / (g:norm() * w:norm())):item()
    local off = ((g - w):norm() / w:norm()):item()
    t.ok(cosine >= 0.999 and off <= 3e-2, ("parameter %d: cosine %.5f, off by %.4f"):format(i, cosine, off))
  end
end)

t.test("a small language model learns, in f32 and in bf16 over f32 weights", function()
  local first, last = train(80)
  t.near(first, math.log(61), 0.2)
  t.ok(last < 0.75 * first, ("the loss went from %.3f to %.3f"):format(first, last))
  local bf_first, bf_last = train(80, "bf16")
  t.near(bf_first, first, 0.02)
  t.ok(bf_last < 0.8 * bf_first, ("in bf16 from %.3f to %.3f"):format(bf_first, bf_last))
end)

-- Garbage is tensors that the collector has not yet found: how much there is must not grow with the steps.
t.test("memory stays flat over 200 steps without a scope or a call of the collector", function()
  local ids, m, v, most = text(), {}, {}, { 0, 0 }
  local params, loss_of = model(0.05)
  for i, p in ipairs(params) do m[i], v[i] = T.zeros_like(p), T.zeros_like(p) end
  for step = 1, 200 do
    T.randn(512, 256):gelu()                                 -- a megabyte more a step, to be worth a collection
    loss_of(ids, step * 53 % 1500):backward()
    T.adamw_step(params, m, v, nil, { lr = 3e-3, step = step })
    T.zero_grad(params)
    local now, half = T.memory(), step <= 100 and 1 or 2
    most[half] = math.max(most[half], now.live + now.cached)
  end
  t.ok(most[2] <= 1.1 * most[1] and most[1] < 200 * 2 ^ 20, ("at most %d bytes, then %d"):format(most[1], most[2]))
end)

t.test("tensors print their numbers, cut in the middle, and no addresses", function()
  t.eq(tostring(T.tensor { { 1, 2 }, { 3, 4 } }), "tensor (2, 2) i32 {{1, 2}, {3, 4}}")
  t.eq(tostring(T.arange(100)), "tensor (100) i32 {0, 1, 2, ... 97, 98, 99}")
end)

t.test("pairs visits tensors in the order in which they were made", function()
  local a, b, c = T.ones(1), T.ones(2), T.ones(3)
  local sizes = {}
  for x in pairs { [c] = true, [a] = true, [b] = true } do sizes[#sizes + 1] = #x end
  t.eq(sizes, { 1, 2, 3 })
end)

return t
