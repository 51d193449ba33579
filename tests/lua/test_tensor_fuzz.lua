-- Random calls of every tensor function, most of them nearly right: an error is fine, a crash is not.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local T = erlua.tensor

local state = 20260
local function pick(n)
  state = state * 6364136223846793005 + 1442695040888963407
  return (state >> 33) % n + 1
end
local function one_of(list) return list[pick(#list)] end
local function chance(n) return pick(n) == 1 end

-- ---- arguments --------------------------------------------------------------------------------

local sizes = { 0, 1, 1, 2, 2, 3, 4, 5, 8, 17 }
local dtypes = { "f32", "f32", "f32", "f32", "bf16", "bf16", "i32", "u16", "u8" }
local odd_numbers = { 0, -1, 1, 2, 0.5, -0.5, 1e30, -1e30, 0 / 0, 1 / 0, -1 / 0, 2 ^ 31, 2 ^ 53, math.maxinteger,
  math.mininteger }

local function shape(nd)
  local s = {}
  for i = 1, nd or pick(5) - 1 do s[i] = one_of(sizes) end
  return s
end

-- Sometimes a view that is transposed, cut or expanded.
local function disguised(x)
  local way = pick(6)
  if way == 1 and x:dim() >= 2 then return x:transpose(1, -1) end
  if way == 2 and x:dim() >= 1 and x:size(1) > 1 then return x:narrow(1, 2, x:size(1) - 1) end
  if way == 3 and x:dim() >= 1 and x:size(1) > 1 then return x[{ { 1, -1, 2 } }] end
  if way == 4 and x:dim() < 8 then return x:unsqueeze(1):expand(2, table.unpack(x.shape)) end
  return x
end

local function floats(s)
  local x = T.randn(s or shape())
  if chance(4) then x = x:to("bf16") end
  if chance(3) then x = x:detach():requires_grad_() end
  return chance(3) and disguised(x) or x
end

local function ids(s, classes)
  local x = T.randint(chance(12) and -2 or 0, math.max(1, classes or 4), s or shape())
  if chance(4) and not (x:lt(0):any():item() == 1) then x = x:to(one_of { "u16", "u8" }) end
  return x
end

local function any_tensor()
  local x = T.randn(shape()):to(one_of(dtypes))
  return chance(3) and disguised(x) or x
end

local function like(x) return chance(5) and floats() or floats(x.shape) end
local function dim_of(x) return chance(8) and one_of { 0, -9, 9, 1.5 } or (chance(2) and -1 or pick(math.max(1, x:dim()))) end
local function number() return chance(3) and one_of(odd_numbers) or pick(9) - 4 end
-- Sizes that no memory holds are among them, but none that some machine might: filling it would take long.
local odd_sizes = { 0, -1, 0.5, 0 / 0, 1 / 0, 2 ^ 53, math.maxinteger, math.mininteger }
local function small() return chance(8) and one_of(odd_sizes) or pick(6) - 1 end
local function last(x) return x:dim() > 0 and x:size(-1) or 1 end

local function junk()
  if chance(12) then return nil end
  return one_of { false, true, "f32", "x", {}, { 1, 2 }, { dtype = "bf16" }, type, 3, T.ones(2), T.ones(0, 3),
    { T.ones(1), T.ones(2) } }
end

-- Options of which each is there by chance, from a pool of values.
local function options(pools)
  if chance(4) then return nil end
  local o = {}
  for name, pool in pairs(pools) do
    if chance(3) then o[name] = type(pool) == "function" and pool() or one_of(pool) end
  end
  return o
end

-- ---- what each function is called with -----------------------------------------------------------

local calls = {}
local function group(names, make)
  for name in names:gmatch("%S+") do calls[name] = make end
end

group([[neg abs sign square reciprocal sqrt rsqrt exp log log1p erf sin cos floor ceil round tanh sigmoid softplus relu
  relu2 silu logical_not clone contiguous flatten detach nonzero tolist tobytes numel size dim is_contiguous is_leaf t
  zero_ keep neg_ abs_ sign_ square_ sqrt_ rsqrt_ exp_ tanh_ sigmoid_ relu_ item is_tensor requires_grad_]],
  function() return any_tensor() end)
group([[add sub mul div pow minimum maximum eq ne lt le gt ge logical_and logical_or swiglu add_ sub_ mul_ div_ pow_
  minimum_ maximum_ copy_]], function()
  local a = any_tensor()
  local b = chance(3) and number() or (chance(2) and T.randn(a.shape):to(one_of(dtypes)) or any_tensor())
  if chance(6) then a, b = b, a end
  return a, b, chance(4) and { alpha = number() } or nil
end)
group("addcmul addcdiv addcmul_ addcdiv_ lerp lerp_", function()
  local a = floats()
  return a, like(a), chance(3) and number() or like(a), number()
end)
group("where masked_fill masked_fill_", function()
  local a = any_tensor()
  return a, chance(3) and number() or like(a), chance(2) and number() or like(a)
end)
group("clamp clamp_ uniform_ normal_ bernoulli_ trunc_normal_ fill_ softcap", function()
  return any_tensor(), number(), number(), number(), number()
end)
group("gelu", function() return floats(), one_of { "none", "tanh", "erf", 3 } end)
group("dropout", function() return floats(), one_of { 0, 0.3, 0.99, 1, -1, 0 / 0 }, chance(2) end)
group([[sum mean sum_squares prod norm any all var std max min argmax argmin logsumexp softmax log_softmax
  cumsum]], function()
  local x = chance(2) and floats() or any_tensor()
  local dims = chance(3) and nil or dim_of(x)
  if chance(5) then dims = { dim_of(x), dim_of(x) } end
  return x, dims, chance(2), chance(4) and number() or nil
end)
group("matmul", function()
  local m, k, n = one_of(sizes), one_of(sizes), one_of(sizes)
  local lead = shape(pick(3) - 1)
  local function with(a, b)
    local s = { table.unpack(lead) }
    s[#s + 1], s[#s + 2] = a, b
    return floats(s)
  end
  return with(m, k), chance(2) and floats { chance(8) and k + 1 or k, n } or with(k, n)
end)
group("linear", function()
  local x = floats()
  local out = one_of(sizes)
  local act = one_of { "none", "relu", "relu2", "gelu", "gelu_tanh", "silu", "other" }
  return x, floats { out, last(x) }, chance(2) and floats { out } or nil, act
end)
group("conv1d", function()
  local c = one_of(sizes)
  return floats { one_of(sizes), one_of(sizes), c }, floats { c, one_of(sizes) }, chance(2) and floats { c } or nil
end)
group("layer_norm rms_norm", function()
  local x = floats()
  return x, chance(2) and floats { last(x) } or nil, chance(3) and floats { last(x) } or nil
end)
group("add_layer_norm add_rms_norm", function()
  local x = floats()
  return x, like(x), chance(2) and floats { last(x) } or nil, chance(3) and floats { last(x) } or nil
end)
group("orthogonal", function() return floats(shape(2)), pick(7) - 1 end)
group("scaled_dot_product_attention", function()
  local b, h, g, n, s, d = pick(3) - 1, one_of { 1, 2, 4 }, one_of { 1, 2 }, one_of(sizes), one_of(sizes), one_of(sizes)
  return floats { b, h, n, d }, floats { b, g, s, d }, floats { b, g, s, chance(3) and one_of(sizes) or d }, options {
    is_causal = { true, false }, window = { 0, 1, 3, -1, 1e9 }, scale = { 0.5, 0, -1, 0 / 0 }, softcap = { 0, 2, -1 },
    dropout_p = { 0, 0.5, 1, 2 }, slopes = function() return floats { chance(5) and h + 1 or h } end,
    attn_mask = function()
      if chance(3) then return T.ones(n, s):tril():to("u8") end
      return floats(one_of { { n, s }, { s }, { h, 1, s }, { b, h, n, s } })
    end,
  }
end)
group("rope", function()
  local x = floats()
  return x, options { base = { 10000, 0, -1 }, scale = { 1, 0.5 }, interleaved = { true, false },
    offset = { 0, 3, -1, 1.5, math.maxinteger }, dims = { 2, 4, 3, -2, 100 },
    positions = function() return ids({ x:dim() > 1 and x:size(-2) or 1 }, 9) end }
end)
group("cross_entropy", function()
  local n, v = one_of(sizes), one_of(sizes)
  return floats { n, v }, ids({ n }, v), options { reduction = { "mean", "sum", "none", "some" },
    ignore_index = { -100, 0, 2 ^ 40 }, softcap = { 0, 5, -1 }, label_smoothing = { 0, 0.1, 2 }, z_loss = { 0, 0.1 },
    total = { 0, 3, 0 / 0 }, weight = function() return floats { chance(5) and n + 1 or n } end }
end)
group("lm_loss", function()
  local n, v, c = one_of(sizes), one_of(sizes), one_of(sizes)
  return floats { n, c }, floats { v, c }, ids({ n }, v), options { reduction = { "mean", "sum", "none" },
    softcap = { 0, 5 }, z_loss = { 0, 0.1 }, label_smoothing = { 0, 0.1 }, weight = function() return floats { n } end }
end)
group("cat stack", function()
  local x = floats()
  local list = { x }
  for i = 2, pick(4) do list[i] = like(x) end
  return chance(9) and { x, 3 } or list, dim_of(x)
end)
group("pad", function()
  local x, pads = any_tensor(), {}
  for i = 1, 2 * pick(3) - (chance(9) and 1 or 0) do pads[i] = pick(7) - 4 end
  return x, pads, number()
end)
group("roll flip tril triu unsqueeze squeeze sort argsort", function()
  local x = any_tensor()
  return x, chance(2) and dim_of(x) or small(), chance(2) and dim_of(x) or chance(2)
end)
group("topk", function() local x = any_tensor() return x, small(), dim_of(x), chance(2) end)
group("embedding", function() local w = floats(shape(2)) return ids(nil, w:size(1)), w end)
group("index_select", function()
  local x = floats()
  local d = dim_of(x)
  return x, d, ids({ one_of(sizes) }, last(x))
end)
group("index_add", function()
  local x = floats(shape(2))
  local n = one_of(sizes)
  return x, 1, ids({ n }, x:size(1)), floats { n, x:size(2) }
end)
group("gather scatter scatter_add", function()
  local x = any_tensor()
  local s = x.shape
  if #s > 0 then s[#s] = one_of(sizes) end
  return x, chance(6) and dim_of(x) or -1, ids(s, last(x)), chance(5) and number() or T.randn(s):to(x.dtype)
end)
group("bincount one_hot", function() return ids(nil, 9), small() end)
group("multinomial", function() return floats { one_of(sizes), one_of(sizes) }:abs(), small() end)
group("permute", function()
  local x = any_tensor()
  local dims = {}
  for i = 1, x:dim() do dims[i] = chance(20) and small() or x:dim() + 1 - i end
  return x, dims
end)
group("view reshape expand tile", function()
  local x = any_tensor()
  if chance(3) then return x, table.unpack(x.shape) end
  local s = shape()
  if chance(3) and #s > 0 then s[pick(#s)] = -1 end
  return x, s
end)
group("transpose", function() local x = any_tensor() return x, dim_of(x), dim_of(x) end)
group("narrow select unfold", function()
  local x = any_tensor()
  local start, length = pick(last(x) + 1), pick(3) - 1
  return x, dim_of(x), chance(6) and small() or start, chance(6) and small() or length
end)
group("split chunk", function()
  local x = any_tensor()
  return x, chance(3) and { small(), small() } or small(), dim_of(x)
end)
group("to", function() return any_tensor(), one_of { "f32", "bf16", "i32", "u16", "u8", "cpu", "f64", "x" } end)
group("zeros ones empty rand randn eye", function() return table.unpack(shape()) end)
group("full full_like", function()
  return chance(2) and shape() or any_tensor(), number(), options { dtype = dtypes, requires_grad = { true } }
end)
group("zeros_like ones_like rand_like randn_like", function()
  return any_tensor(), options { dtype = dtypes, requires_grad = { true } }
end)
group("arange linspace", function() return small(), small(), chance(2) and small() or nil end)
group("randint randperm", function() return small(), small(), shape() end)
group("tensor", function() return one_of { 3, { 1, 2 }, { { 1 }, { 2, 3 } }, { {} }, { { {} } }, { 1, "x" }, {} } end)
group("frombuffer", function() return ("x"):rep(pick(20) - 1), one_of(dtypes), table.unpack(shape(pick(3) - 1)) end)
group("backward", function() local x = floats() return x:exp(), chance(2) and T.ones(x.shape) or nil end)
group("grad_norm clip_grad_norm_ zero_grad", function()
  local x = T.randn(shape(), { requires_grad = true })
  x:sum():backward()
  return { x, floats() }, number()
end)
group("adamw_step sgd_step muon_step", function()
  local x = T.randn(shape(2), { requires_grad = true })
  x:square():sum():backward()
  if chance(4) then x.grad = x.grad:t():contiguous():t() end
  local m = { chance(5) and like(x) or T.zeros_like(x) }
  local v, master = chance(2) and { T.zeros_like(x) } or nil, chance(3) and { T.zeros_like(x) } or nil
  return { x }, m, v, master, options { lr = { 0.1 }, step = { 1, 0, 3 } }
end)
group("checkpoint", function()
  local x = floats()
  return one_of { function(a) return a:exp() end, function(a) return a end,
    function() return T.ones(1, { requires_grad = true }) end, function() return 3 end, function() error("no") end }, x
end)
group("no_grad enable_grad", function() return function() return floats():exp() end end)
group("manual_seed", function() return pick(9) end)
group("get_rng_state is_grad_enabled memory trim backend", function() end)

-- These change how the engine runs, or have tests of their own.
local apart = { scope = true, threads = true, set_grad_enabled = true, set_rng_state = true }

-- ---- the calls -------------------------------------------------------------------------------------

-- A result's gradient, down to whatever leaves it has.
local function walk_back(result)
  if not T.is_tensor(result) or not result.requires_grad or result:is_leaf() then return false end
  return pcall(function() result:backward(T.ones(result.shape):to(result.dtype)) end)
end

local function call(name)
  local s <close> = T.scope()
  local args = table.pack(calls[name]())
  for i = 1, args.n do
    if chance(40) then args[i] = junk() end
  end
  local ok, result = pcall(T[name], table.unpack(args, 1, args.n))
  return ok, result, ok and walk_back(result)
end

t.test("every function of tensors has its arguments here", function()
  for name, fn in pairs(T) do
    if type(fn) == "function" then t.ok(calls[name] or apart[name], name .. " is not called") end
  end
end)

t.test("random calls raise or work, and leave the engine as it was", function()
  local names, worked, done, raised, walked = {}, {}, 0, 0, 0
  for name in pairs(calls) do
    if T[name] then names[#names + 1] = name end
  end
  table.sort(names)
  local before = T.memory().live
  for round = 1, 36 do
    for _, name in ipairs(names) do
      local ok, result, back = call(name)
      worked[name] = worked[name] or ok
      if ok then done = done + 1 else raised = raised + 1 end
      if back then walked = walked + 1 end
      if not ok then
        t.ok(type(result) == "string" and #result > 10 and #result < 900, name .. " raised " .. tostring(result))
      end
      t.ok(T.is_grad_enabled(), name .. " left gradients switched off in round " .. round)
    end
  end
  for _, name in ipairs(names) do t.ok(worked[name], name .. " was never called well") end
  collectgarbage()
  t.ok(T.memory().live <= before + 2 ^ 20, "memory is left in use: " .. T.memory().live - before)
  t.ok(done > 2000 and raised > 500 and walked > 200, ("%d done, %d raised, %d backward"):format(done, raised, walked))
end)

return t
