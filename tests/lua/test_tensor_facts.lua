-- What is known of a language model without another program to compare with.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local T = erlua.tensor
local V, C, H, L, B = 50, 32, 4, 16, 4

-- A block between a token embedding and a head of its own; `head` scales the head.
local function new(head)
  local function param(...) return (T.randn(...) * 0.2):detach():requires_grad_() end
  local m = { wte = param(V, C), qkv = param(3 * C, C), o = param(C, C), fc = param(4 * C, C), proj = param(C, 4 * C) }
  m.head = (T.randn(V, C) * head):detach():requires_grad_()
  m.params = { m.wte, m.qkv, m.o, m.fc, m.proj, m.head }
  return m
end

local function hidden(m, ids)
  local b, l = ids:size(1), ids:size(2)
  local x = ids:embedding(m.wte)
  local q, k, v = x:rms_norm():linear(m.qkv):view(b, l, 3 * H, C // H):transpose(2, 3):chunk(3, 2)
  local a = q:rope():scaled_dot_product_attention(k:rope(), v, { is_causal = true })
  x = x + a:transpose(2, 3):reshape(b, l, C):linear(m.o)
  return (x + x:rms_norm():linear(m.fc, nil, "gelu"):linear(m.proj)):rms_norm()
end

local function logits(m, ids) return hidden(m, ids):linear(m.head) end
local function batch() return T.randint(0, V, { B, L }), T.randint(0, V, { B, L }) end
local function loss_of(m, ids, targets) return (hidden(m, ids):lm_loss(m.head, targets)) end

t.test("a head of zeros knows nothing: the loss is the logarithm of the classes", function()
  local ids, targets = batch()
  t.near(loss_of(new(0), ids, targets):item(), math.log(V), 1e-6)
end)

t.test("a later token changes no bit of earlier logits", function()
  local m, ids = new(0.2), (batch())
  local want = logits(m, ids)
  for at = 2, L do
    local other = ids:clone()
    other[{ {}, at }] = T.randint(0, V, { B })
    local got = logits(m, other)
    local same = got:narrow(2, 1, at - 1):eq(want:narrow(2, 1, at - 1)):all():item() == 1
    t.ok(same, "token " .. at .. " was seen before its time")
  end
end)

t.test("rows of a batch do not see each other", function()
  local m, ids = new(0.2), (batch())
  local order = T.tensor { 2, 0, 3, 1 }
  t.ok(logits(m, ids:index_select(1, order)):eq(logits(m, ids):index_select(1, order)):all():item() == 1)
  t.ok(logits(m, ids[{ { 2, 2 } }]):sub(logits(m, ids)[{ { 2, 2 } }]):abs():max():item() <= 1e-5)
end)

t.test("the gradient predicts how the loss changes along it", function()
  local m = new(0.2)
  local ids, targets = batch()
  local loss = loss_of(m, ids, targets)
  loss:backward()
  local slope = T.grad_norm(m.params)
  local function moved(by)
    return T.no_grad(function()
      for _, p in ipairs(m.params) do p:add_(p.grad, { alpha = by / slope }) end
      local l = loss_of(m, ids, targets):item()
      for _, p in ipairs(m.params) do p:sub_(p.grad, { alpha = by / slope }) end
      return l
    end)
  end
  local h = 5e-3
  t.near((moved(h) - moved(-h)) / (2 * h), slope, 1e-2 * slope)
end)

t.test("a reward of one on every token is the cross-entropy, one of minus one its opposite", function()
  local m = new(0.2)
  local ids, targets = batch()
  local function grads(weight)
    T.zero_grad(m.params)
    local loss = hidden(m, ids):lm_loss(m.head, targets, { weight = weight, total = B * L })
    loss:backward()
    return m.wte.grad:clone(), loss:item()
  end
  local plain, loss = grads(nil)
  local one, same = grads(T.ones(B, L))
  local opposite, minus = grads(-T.ones(B, L))
  t.near(same, loss, 0)
  t.near(minus, -loss, 0)
  t.ok(one:eq(plain):all():item() == 1 and opposite:eq(-plain):all():item() == 1)
  t.eq(grads(T.zeros(B, L)):abs():max():item(), 0.0)
end)

t.test("one batch is learned by heart", function()
  T.manual_seed(4)
  local net = new(0.2)
  local ids, targets = batch()
  local m, v, last = {}, {}, nil
  for i, p in ipairs(net.params) do m[i], v[i] = T.zeros_like(p), T.zeros_like(p) end
  for step = 1, 120 do
    local s <close> = T.scope()
    local loss = loss_of(net, ids, targets)
    loss:backward()
    T.adamw_step(net.params, m, v, nil, { lr = 1e-2, weight_decay = 0, step = step })
    T.zero_grad(net.params)
    last = loss:item()
  end
  t.ok(last < 0.01, "the loss is still " .. last)
end)

t.test("AdamW's first step is the learning rate against the gradient's sign", function()
  local p = T.tensor({ 1.0, -2.0, 3.0, 0.5 }, { requires_grad = true })
  p.grad = T.tensor { 5.0, -0.001, 2e-4, -40.0 }
  T.adamw_step({ p }, { T.zeros(4) }, { T.zeros(4) }, nil, { lr = 0.1, weight_decay = 0 })
  local want = { 0.9, -1.9, 2.9, 0.6 }
  for i, x in ipairs(p:tolist()) do t.near(x, want[i], 1e-4) end
end)

t.test("the matrix that Muon steps along has singular values near one", function()
  local q = T.orthogonal(T.randn(24, 40))
  local x = T.randn(40)
  local gram = q:matmul(q:t())
  for _ = 1, 60 do x = gram:matmul(x[{ { 1, 24 } }]) x = x / x:norm() end
  local largest = gram:matmul(x):norm():sqrt():item()
  t.ok(largest > 0.9 and largest < 1.5, "the largest is " .. largest)
  local flipped = T.eye(24) * 2 - gram                       -- its largest eigenvalue belongs to gram's smallest
  local y = T.randn(24)
  for _ = 1, 200 do y = flipped:matmul(y) y = y / y:norm() end
  local smallest = (2 - flipped:matmul(y):norm():item()) ^ 0.5
  t.ok(smallest > 0.5, "the smallest is " .. smallest)
end)

t.test("softmax does not see a shift, RMS norm not a scale", function()
  local x = T.randn(6, 9)
  t.ok((x + 100):softmax():sub(x:softmax()):abs():max():item() <= 1e-5)
  t.ok((x * 64):rms_norm(nil, 0):eq(x:rms_norm(nil, 0)):all():item() == 1, "a power of two changes no bit")
end)

t.test("what PyTorch users look for is there and right", function()
  t.eq(T.eye(2, 3):tolist(), { { 1.0, 0.0, 0.0 }, { 0.0, 1.0, 0.0 } })
  t.eq(T.linspace(0, 1, 5):tolist(), { 0.0, 0.25, 0.5, 0.75, 1.0 })
  t.eq(T.full_like(T.tensor { 1, 2 }, 7):tolist(), { 7, 7 })
  t.eq(T.randn_like(T.ones(2, 3, { dtype = "bf16" })).dtype, "bf16")
  local x = T.tensor { { 0, 1, 2 }, { 0, 0, 0 } }
  t.eq({ x:any(2):tolist(), x:all(1):tolist(), x:any():item(), T.ones(0):all():item(), T.ones(0):any():item() },
    { { 1, 0 }, { 0, 0, 0 }, 1, 1, 0 })
  t.eq({ x:prod():item(), (x + 1):prod(2):tolist() }, { 0, { 6, 1 } })
  t.eq(x:scatter(2, T.tensor { { 0, 2 }, { 1, 1 } }, 9):tolist(), { { 9, 1, 9 }, { 0, 9, 0 } })
  t.eq(x:masked_fill(x:eq(0), -1):tolist(), { { -1, 1, 2 }, { -1, -1, -1 } })
  t.eq(x:clone():masked_fill_(x:gt(0), 5):tolist(), { { 0, 5, 5 }, { 0, 0, 0 } })
  local cut = T.zeros(1000):trunc_normal_(0, 1)
  t.ok(cut:abs():max():item() <= 2 and math.abs(cut:std():item() - 0.88) < 0.08)
  t.raises(function() x:trunc_normal_() end, "floating")
  local q = T.ones(1, 1, 4, 4)
  t.raises(function() q:scaled_dot_product_attention(q, q, { window = 1.5 }) end, "whole number")
  t.raises(function() T.zeros(2 ^ 40 // 1 | 0, 0):tolist() end, "no Lua list")
  t.raises(function() T.ones(2, 3):cross_entropy(T.tensor { 0, 1 }, { label_smoothing = 2 }) end, "share from 0 to 1")
  t.near(T.ones(2, 3):cross_entropy(T.tensor { 0, 1 }, { ignore_index = 2 ^ 32 // 1 | 0 }):item(), math.log(3), 1e-6)
end)

return t
