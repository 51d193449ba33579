-- Whole transformer blocks against PyTorch in f64: tests/fixtures/make_blocks.py wrote what is read here.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local T = erlua.tensor
local C, H, D, B, L = 32, 4, 8, 2, 24

-- Tensors by model and kind: fixture.gpt2.param.wte.
local function read_fixture()
  local bytes = t.read(t.source .. "/tests/fixtures/blocks.bin")
  local head, at = bytes:match("^(.-\n)\n()")
  local models = {}
  for line in head:gmatch("[^\n]+") do
    local words = {}
    for word in line:gmatch("%S+") do words[#words + 1] = word end
    local model, kind, name = words[1]:match("^(%w+)%.(%w+)%.([%w_]+)$")
    local sizes, count = {}, 1
    for i = 3, #words do
      sizes[i - 2] = math.tointeger(words[i])
      count = count * sizes[i - 2]
    end
    models[model] = models[model] or { param = {}, grad = {}, out = {}, ["in"] = {} }
    models[model][kind][name] = T.frombuffer(bytes:sub(at, at + 4 * count - 1), words[2], sizes)
    at = at + 4 * count
  end
  t.eq(at, #bytes + 1)
  return models
end

local function heads(x, n) return x:view(B, L, n, -1):transpose(2, 3) end
local function merge(x) return x:transpose(2, 3):reshape(B, L, -1) end

local forward = {}

function forward.gpt2(p, ids)
  local x = ids:embedding(p.wte) + p.wpe
  local q, k, v = x:layer_norm(p.ln1_w, p.ln1_b):linear(p.qkv_w, p.qkv_b):chunk(3, -1)
  local a = heads(q, H):scaled_dot_product_attention(heads(k, H), heads(v, H), { is_causal = true })
  local h
  x, h = x:add_layer_norm(merge(a):linear(p.o_w, p.o_b), p.ln2_w, p.ln2_b)
  x = x + h:linear(p.fc_w, p.fc_b, "gelu_tanh"):linear(p.proj_w, p.proj_b)
  return x:layer_norm(p.lnf_w, p.lnf_b)
end

function forward.llama(p, ids)
  local x = ids:embedding(p.wte)
  local h = x:rms_norm(p.norm1)
  local q = heads(h:linear(p.q_w, p.q_b), H)
  local k, v = heads(h:linear(p.k_w, p.k_b), H // 2), heads(h:linear(p.v_w, p.v_b), H // 2)
  local a = q:rope():scaled_dot_product_attention(k:rope(), v, { is_causal = true })
  x, h = x:add_rms_norm(merge(a):linear(p.o_w), p.norm2)
  x = x + h:linear(p.gate_w):swiglu(h:linear(p.up_w)):linear(p.down_w)
  return x:rms_norm(p.norm)
end

function forward.modern(p, ids)
  local x = ids:embedding(p.wte)
  x = x + x:conv1d(p.taps)
  local q, k, v = x:rms_norm():linear(p.qkv_w):chunk(3, -1)
  local a = heads(q, H):rms_norm():rope():scaled_dot_product_attention(heads(k, H):rms_norm():rope(), heads(v, H),
    { is_causal = true, window = 9, softcap = 5, slopes = p.slopes, attn_mask = p.bias })
  x = x + merge(a):linear(p.o_w)
  x = x + x:rms_norm():linear(p.fc_w, nil, "relu2"):linear(p.proj_w)
  return x:rms_norm()
end

local function loss_options(name)
  if name ~= "modern" then return nil end
  return { softcap = 15, z_loss = 1e-2, label_smoothing = 0.1, weight = T.tensor { 0.5, 1.5, 2.5, 3.5 }:tile(B * L // 4) }
end

-- Hidden states, loss and the gradients by name; the logits made whole or some rows at a time, in this dtype.
local function run(name, model, fused, dtype)
  local p, cast = {}, {}
  for key, w in pairs(model.param) do
    p[key] = w:detach():clone():requires_grad_()
    cast[key] = p[key]:to(dtype or "f32")
  end
  local hidden = forward[name](cast, model["in"].ids)
  local targets, options = model["in"].targets, loss_options(name)
  local loss = fused and hidden:lm_loss(cast.wte, targets, options)
    or hidden:linear(cast.wte):cross_entropy(targets, options)
  loss:backward()
  local grads = {}
  for key, w in pairs(p) do grads[key] = w.grad end
  return hidden:detach(), loss:item(), grads
end

local function far(got, want)
  return ((got - want):abs():max() / want:abs():max()):item()
end

local function check(name, fused)
  local model = read_fixture()[name]
  local hidden, loss, grads = run(name, model, fused)
  t.near(loss, model.out.loss:item(), 2e-6)
  local off = far(hidden, model.out.hidden)
  t.ok(off <= 1e-5, ("the hidden states are off by %.2g of the largest"):format(off))
  for key, want in pairs(model.grad) do
    off = far(grads[key], want)
    t.ok(off <= 1e-5, ("the gradient of %s is off by %.2g of the largest"):format(key, off))
  end
end

for _, name in ipairs { "gpt2", "llama", "modern" } do
  t.test("a " .. name .. " block gives PyTorch's outputs and gradients", function()
    check(name, false)
    check(name, true)
  end)

  t.test("a " .. name .. " block in bf16 agrees with itself in f32", function()
    local model = read_fixture()[name]
    local _, loss, want = run(name, model, true)
    local _, rough, got = run(name, model, true, "bf16")
    t.near(rough, loss, 5e-3 * loss)
    for key, w in pairs(want) do
      local g = got[key]
      local cosine = ((g * w):sum() / (g:norm() * w:norm())):item()
      local off = ((g - w):norm() / w:norm()):item()
      t.ok(cosine >= 0.999 and off <= 3e-2, ("%s: cosine %.5f, off by %.4f"):format(key, cosine, off))
    end
  end)
end

t.test("Muon steps where it does in f64", function()
  local f = read_fixture().muon
  for name, start in pairs(f.param) do
    local w, m, x = start:clone():requires_grad_(), T.zeros_like(start), f["in"][name]
    for _ = 1, 5 do
      w:matmul(x):tanh():sum():backward()
      T.muon_step({ w }, { m }, nil, { lr = 0.02, momentum = 0.95, weight_decay = 0.1 })
      w.grad = nil
    end
    t.ok(far(w:detach(), f.out[name]) <= 1e-5, name .. " is off by " .. far(w:detach(), f.out[name]))
  end
end)

-- A key's bias adds the same to all scores of a query, which softmax does not see: its gradient is zero but for rounding.
t.test("gradients that are zero in theory are zero in practice", function()
  local model = read_fixture().gpt2
  local _, _, grads = run("gpt2", model, true)
  local largest = grads.qkv_b:abs():max():item()
  t.ok(grads.qkv_b:narrow(1, C + 1, C):abs():max():item() <= 1e-6 * largest, "the bias of the keys")
  local x = T.randn(5, 7, { requires_grad = true })
  local w = T.randn(5, 7)
  x:softmax():mul(w):sum():backward()
  t.ok(x.grad:sum(-1):abs():max():item() <= 1e-6, "softmax: rows of dx add up to 0")
  x.grad = nil
  x:layer_norm(nil, nil, 1e-12):mul(w):sum():backward()
  t.ok(x.grad:sum(-1):abs():max():item() <= 2e-6, "layer norm: rows of dx add up to 0")
  t.ok((x.grad * x):sum(-1):abs():max():item() <= 5e-6, "layer norm does not see the scale")
  x.grad = nil
  x:rms_norm(nil, 1e-12):mul(w):sum():backward()
  t.ok((x.grad * x):sum(-1):abs():max():item() <= 5e-6, "RMS norm does not see the scale")
  x.grad = nil
  x:cross_entropy(T.tensor { 0, 1, 2, 3, 6 }):backward()
  t.ok(x.grad:sum(-1):abs():max():item() <= 1e-7, "cross-entropy: rows of dlogits add up to 0")
end)

t.test("a row of the embedding that no token names has the head's gradient alone", function()
  local model = read_fixture().gpt2
  local hidden, _, grads = run("gpt2", model, true)
  local seen = T.zeros(40):scatter(1, model["in"].ids:flatten(), 1)
  local logits = hidden:linear(model.param.wte):view(B * L, 40):requires_grad_()
  logits:cross_entropy(model["in"].targets:flatten()):backward()
  local head = logits.grad:t():matmul(hidden:reshape(B * L, C))
  local unseen = seen:eq(0):unsqueeze(2)
  t.ok(unseen:any():item() == 1, "some tokens do not occur")
  t.ok(((grads.wte - head):masked_fill(unseen:logical_not(), 0)):abs():max():item() <= 1e-6)
end)

return t
