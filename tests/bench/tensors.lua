-- Training steps of GPT-2's shapes: tokens a second, beside the matrix products of the step alone, and memory.
-- erlua tests/bench/tensors.lua [STEPS [LAYERS WIDTH HEADS BATCH TOKENS [f32|bf16 [gpt2|plain [serve]]]]]
-- gpt2 has biases, layer norms with weights and a vocabulary of 50304 from 768 wide; plain has neither weights nor
-- biases in its norms and layers, as the baseline of nanogpt.  serve: a step for each line on standard input
-- (tensor_turns.py), whose wall and CPU seconds are the answer.

local T = erlua.tensor

local function number(i, default) return math.tointeger(tonumber(arg[i])) or default end
local steps, N, C, H = number(1, 10), number(2, 4), number(3, 128), number(4, 4)
local B, L = number(5, 16), number(6, 128)
local bf16, plain, serve = arg[7] == "bf16", arg[8] == "plain", arg[9] == "serve"
local V = C >= 768 and 50304 or 256

-- ---- the model -------------------------------------------------------------------------------------------------

local params, master = {}, bf16 and {} or nil

local function add(w)
  local p = bf16 and w:to("bf16") or w
  if bf16 then master[#master + 1] = w end
  params[#params + 1] = p:requires_grad_()
  return p
end

local function matrix(...) return add(T.randn(...):mul_(0.02)) end
local function zeros(n) return not plain and add(T.zeros(n)) or nil end
local function ones(n) return not plain and add(T.ones(n)) or nil end
local function layer(out, inner) return { w = matrix(out, inner), b = zeros(out) } end
local function norm() return { w = ones(C), b = zeros(C) } end

local wte, wpe, blocks, last = matrix(V, C), matrix(L, C), {}, norm()
for i = 1, N do
  blocks[i] = { n1 = norm(), qkv = layer(3 * C, C), o = layer(C, C), n2 = norm(), fc = layer(4 * C, C), proj = layer(C, 4 * C) }
end

local function normed(x, n)
  if plain then return x:rms_norm() end
  return x:layer_norm(n.w, n.b)
end

local function through(x, l, activation) return x:linear(l.w, l.b, activation) end

local function loss(ids, targets)
  local x = ids:embedding(wte) + wpe
  for _, b in ipairs(blocks) do
    local q, k, v = through(normed(x, b.n1), b.qkv):view(B, L, 3 * H, C // H):transpose(2, 3):chunk(3, 2)
    local a = q:scaled_dot_product_attention(k, v, { is_causal = true })
    x = x + through(a:transpose(2, 3):reshape(B, L, C), b.o)
    x = x + through(through(normed(x, b.n2), b.fc, "gelu_tanh"), b.proj)
  end
  return (normed(x, last):lm_loss(wte, targets))
end

-- ---- a step ------------------------------------------------------------------------------------------------------

local m, v, done = {}, {}, 0
for i, p in ipairs(params) do m[i], v[i] = T.zeros_like(p, { dtype = "f32" }), T.zeros_like(p, { dtype = "f32" }) end

local function step()
  local s <close> = T.scope()
  done = done + 1
  loss(T.randint(0, V, { B, L }), T.randint(0, V, { B * L })):backward()
  T.adamw_step(params, m, v, master, { lr = 1e-4, step = done })
  T.zero_grad(params)
end

-- The products with weights of one step, forward and both gradients, on tensors of their own.
local function products()
  local dtype, rows = { dtype = bf16 and "bf16" or "f32" }, B * L
  local function one(out, inner)
    local x, w, dy = T.zeros(rows, inner, dtype), T.zeros(out, inner, dtype), T.zeros(rows, out, dtype)
    return function()
      local s <close> = T.scope()
      x:matmul(w:t())
      dy:matmul(w)
      dy:t():matmul(x)
    end
  end
  local list, head = { one(3 * C, C), one(C, C), one(4 * C, C), one(C, 4 * C) }, one(V, C)
  return function()
    for _ = 1, N do for _, f in ipairs(list) do f() end end
    head()
  end
end

-- ---- measuring -----------------------------------------------------------------------------------------------------

local function timed(f)
  local wall, cpu = erlua.now(), os.clock()
  f()
  return erlua.now() - wall, os.clock() - cpu
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

local function status(field)
  for line in io.lines("/proc/self/status") do
    local kb = line:match("^" .. field .. ":%s*(%d+)")
    if kb then return kb / 1024 end
  end
end

step()
if serve then
  for _ in io.lines() do
    local wall, cpu = timed(step)
    print(("%.6f %.6f %.0f"):format(wall, cpu, status("VmHWM")))
    io.stdout:flush()
  end
  return
end

local kernels, gemm = T.backend()
print(("%d layers, %d wide, B %d, T %d, %s, %s, %d threads, %s, %s"):format(N, C, B, L, bf16 and "bf16" or "f32",
  plain and "plain" or "gpt2", T.threads(), kernels, gemm))
local bound, walls, cpus, alone = products(), {}, {}, {}
local early
bound()
for i = 1, steps do
  walls[i], cpus[i] = timed(step)
  if i % 10 == 1 then alone[#alone + 1] = timed(bound) end
  if i == steps // 10 then early = status("VmRSS") end
end
local wall, cpu = median(walls), median(cpus)
print(("%.2f ms a step, %.0f tokens/s; %.2f ms of CPU, %.0f tokens a CPU second; products alone %.0f %%"):format(
  wall * 1000, B * L / wall, cpu * 1000, B * L / cpu, 100 * median(alone) / wall))
print(("tensors at most %.1f MB; resident %.1f MB after a tenth of the steps, %.1f MB after all, %.1f MB at most"):format(
  T.memory().peak / 2 ^ 20, early or 0, status("VmRSS"), status("VmHWM")))
