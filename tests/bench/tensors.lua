-- Training steps of GPT-2 shapes: tokens a second, the share of time in matrix products that oneDNN would need, peak memory.
-- erlua tests/bench/tensors.lua [LAYERS WIDTH HEADS BATCH TOKENS STEPS [bf16]]

local T = erlua.tensor

local function number(i, default) return math.tointeger(tonumber(arg[i])) or default end
local N, C, H, B, L, steps = number(1, 4), number(2, 128), number(3, 4), number(4, 16), number(5, 128), number(6, 10)
local bf16 = arg[7] == "bf16"
local V = C >= 768 and 50304 or 256

local params, master = {}, bf16 and {} or nil
local function param(...)
  local w = T.randn(...):mul_(0.02)
  local p = bf16 and w:to("bf16") or w
  if bf16 then master[#master + 1] = w end
  params[#params + 1] = p:requires_grad_()
  return p
end

local wte, wpe, blocks = param(V, C), param(L, C), {}
for i = 1, N do
  blocks[i] = { qkv = param(3 * C, C), o = param(C, C), fc = param(4 * C, C), proj = param(C, 4 * C) }
end
local m, v = {}, {}
for i, p in ipairs(params) do m[i], v[i] = T.zeros_like(p, { dtype = "f32" }), T.zeros_like(p, { dtype = "f32" }) end
local ids = T.randint(0, V, { B, L })
local targets = T.randint(0, V, { B * L })

local function loss()
  local x = ids:embedding(wte) + wpe
  for _, b in ipairs(blocks) do
    local q, k, val = x:layer_norm():linear(b.qkv):view(B, L, 3 * H, C // H):transpose(2, 3):chunk(3, 2)
    local a = q:scaled_dot_product_attention(k, val, { is_causal = true })
    x = x + a:transpose(2, 3):reshape(B, L, C):linear(b.o)
    x = x + x:layer_norm():linear(b.fc, nil, "gelu_tanh"):linear(b.proj)
  end
  return (x:layer_norm():lm_loss(wte, targets))
end

local function step(i)
  local s <close> = T.scope()
  loss():backward()
  T.clip_grad_norm_(params, 1)
  T.adamw_step(params, m, v, master, { lr = 1e-4, step = i })
  T.zero_grad(params)
end

-- The products with weights of one step, forward and both gradients, on the same shapes.
local function products()
  local s <close> = T.scope()
  local seconds
  local dtype = { dtype = bf16 and "bf16" or "f32" }
  local function one(out, inner)
    local x, w, dy = T.zeros(B * L, inner, dtype), T.zeros(out, inner, dtype), T.zeros(B * L, out, dtype)
    return function() x:matmul(w:t()) dy:matmul(w) dy:t():matmul(x) end
  end
  local list = { one(3 * C, C), one(C, C), one(4 * C, C), one(C, 4 * C) }
  local head = one(V, C)
  T.no_grad(function()
    for i = 0, 1 do
      local t = erlua.now()
      for _ = 1, N do for _, f in ipairs(list) do T.scope(f) end end
      T.scope(head)
      if i == 1 then seconds = erlua.now() - t end
    end
  end)
  return seconds
end

local kernels, gemm = T.backend()
print(("%d layers, %d wide, B %d, T %d, %s, %d threads, %s, %s"):format(N, C, B, L, bf16 and "bf16" or "f32", T.threads(), kernels, gemm))
step(1)
local times, cpu = {}, os.clock()
for i = 1, steps do
  local t = erlua.now()
  step(i + 1)
  times[i] = erlua.now() - t
end
cpu = (os.clock() - cpu) / steps
table.sort(times)
local median = times[(#times + 1) // 2]
print(("%.1f ms a step, %.0f tokens/s (%.1f ms of CPU, %.0f tokens a CPU second); products alone %.0f %%; peak %.0f MB"):format(
  median * 1000, B * L / median, cpu * 1000, B * L / cpu, 100 * products() / median, T.memory().peak / 2 ^ 20))
