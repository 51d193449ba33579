-- erlua.nn: modules as plain tables, the layers, and what is found by walking fields.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local T, nn = erlua.tensor, erlua.nn

local function names(list)
  local out = {}
  for i, p in ipairs(list) do out[i] = p.name end
  return out
end

local function near(got, want, within)
  t.eq(got.shape, want.shape)
  t.ok((got - want):abs():max():item() <= (within or 1e-5), "the tensors agree")
end

local Net = nn.Module("Net")

function Net:init(n)
  self.blocks = {}
  for i = 1, n do self.blocks[i] = nn.Linear(3, 3) end
  self.embed = nn.Embedding(5, 3)
  self.head = { weight = self.embed.weight }
  self.mask = T.ones(2)
  self._cache = T.ones(7)
  self.scale = 2
end

function Net:forward(x, extra) return self.blocks[1](x) * self.scale, extra end

t.test("a class makes modules, and a module is called", function()
  local net = Net(1)
  local y, extra = net(T.ones(2, 3), "more")
  near(y, net.blocks[1](T.ones(2, 3)) * 2)
  t.eq(extra, "more")
  t.eq(net.training, true)
  t.eq(nn.Module("Empty")().training, true)
end)

t.test("parameters have dotted names, numbers before strings; ties count once, caches not at all", function()
  local net = Net(11)
  local want = {}
  for i = 1, 11 do
    want[#want + 1] = "blocks." .. i .. ".bias"
    want[#want + 1] = "blocks." .. i .. ".weight"
  end
  want[#want + 1] = "embed.weight"
  t.eq(names(nn.named_parameters(net)), want)
  t.eq(names(nn.named_buffers(net)), { "mask" })
  t.eq(#nn.parameters(net), 23)
  t.ok(rawequal(nn.parameters(net)[23], net.head.weight), "the tied weight is the tensor itself")
  t.eq({ nn.count(net) }, { 11 * 12 + 15, 2 })
  local mixed = { nn.Linear(1, 1, { bias = false }), x = T.ones(1, { requires_grad = true }) }
  t.eq(names(nn.named_parameters(mixed)), { "1.weight", "x" })
end)

t.test("a module that holds itself is walked once, and an activation left in a field is no state", function()
  local net = Net(1)
  net.parent = net
  net.last = net.embed(T.tensor { 1 })
  t.eq(names(nn.named_parameters(net)), { "blocks.1.bias", "blocks.1.weight", "embed.weight" })
  t.eq(nn.state_dict(net).last, nil)
  net["blocks"]["1"] = { bias = T.ones(1, { requires_grad = true }) }
  t.raises(function() nn.parameters(net) end, "two tensors of the module are called blocks.1.bias")
  t.raises(function() nn.parameters(T.ones(1)) end, "got a tensor")
end)

t.test("train sets the field of all modules, and of nothing else", function()
  local net = Net(2)
  nn.train(net, false)
  t.eq({ net.training, net.blocks[2].training, net.embed.training }, { false, false, false })
  t.eq({ net.blocks.training, net.head.training }, {})
  nn.train(net)
  t.eq({ net.training, net.blocks[2].training }, { true, true })
end)

t.test("first values are those that PyTorch draws, and each may be chosen", function()
  T.manual_seed(1)
  local w = nn.Linear(100, 400).weight
  t.eq({ w.shape, w.requires_grad, w:is_leaf() }, { { 400, 100 }, true, true })
  t.ok(w:max():item() <= 0.1 and w:max():item() > 0.099, "uniform up to 1 / sqrt(inputs)")
  t.near(w:std():item(), 0.1 / math.sqrt(3), 1e-3)
  t.near(nn.Linear(100, 4000).bias:std():item(), 0.1 / math.sqrt(3), 2e-3)
  t.near(nn.Embedding(200, 100).weight:std():item(), 1, 0.02)
  t.near(nn.Embedding(200, 100, { std = 0.02 }).weight:std():item(), 0.02, 1e-3)
  local l = nn.Linear(100, 400, { std = 0.5 })
  t.near(l.weight:std():item(), 0.5, 0.01)
  t.eq(l.bias:abs():max():item(), 0.0)
  l = nn.Linear(2, 2, { init = function(weight, bias) weight:fill_(3) bias:fill_(4) end, dtype = "bf16" })
  t.eq({ l.weight:tolist(), l.bias:tolist(), l.weight.dtype }, { { { 3.0, 3.0 }, { 3.0, 3.0 } }, { 4.0, 4.0 }, "bf16" })
  local n = nn.LayerNorm(3)
  t.eq({ n.weight:tolist(), n.bias:tolist() }, { { 1.0, 1.0, 1.0 }, { 0.0, 0.0, 0.0 } })
  t.eq({ nn.RMSNorm().weight, nn.RMSNorm(4, { weight = false }).weight, nn.LayerNorm(3, { bias = false }).bias }, {})
  t.eq(nn.RMSNorm(2).weight:tolist(), { 1.0, 1.0 })
end)

t.test("layers compute what their operators do", function()
  T.manual_seed(2)
  local x = T.randn(4, 6)
  local l, ln, rms = nn.Linear(6, 3), nn.LayerNorm(6, { eps = 1e-3 }), nn.RMSNorm(6)
  near(l(x), x:matmul(l.weight:t()) + l.bias)
  near(l(x, "relu2"), l(x):relu2())
  near(ln(x), x:layer_norm(ln.weight, ln.bias, 1e-3))
  near(rms(x), x:rms_norm())
  near(nn.Embedding(9, 6, { init = function(w) w:copy_(T.arange(9):view(9, 1)) end })(T.tensor { { 2, 8 } }),
    T.tensor { { 2, 8 } }:view(1, 2, 1):expand(1, 2, 6):to("f32"))
  local mlp = nn.MLP { dim = 6, activation = "swiglu", hidden = 5 }
  local gate, up = mlp.fc(x):chunk(2, -1)
  near(mlp(x), mlp.proj(gate:silu() * up))
  local plain = nn.MLP { dim = 6, bias = false }
  near(plain(x), plain.fc(x):gelu():matmul(plain.proj.weight:t()))
  t.eq({ plain.fc.weight.shape, plain.fc.bias }, { { 24, 6 } })
end)

-- Attention a head at a time, with the scores written out.
local function attention_by_hand(a, x)
  local B, S, d, h, g = x:size(1), x:size(2), a.head_dim, a.heads, a.kv_heads
  local qkv, heads = a.qkv(x), {}
  for i = 1, h do
    local kv = h + (i - 1) // (h // g)
    local q, k = qkv:narrow(3, (i - 1) * d + 1, d), qkv:narrow(3, kv * d + 1, d)
    local v = qkv:narrow(3, (kv + g) * d + 1, d)
    if a.qk_norm then q, k = q:rms_norm(), k:rms_norm() end
    if a.rope then q, k = q:rope(a.rope), k:rope(a.rope) end
    local scores = q:matmul(k:transpose(2, 3)) / math.sqrt(d) + T.full({ S, S }, -1e9):triu(1)
    heads[i] = scores:softmax():matmul(v)
  end
  return a.proj(T.cat(heads, 3):view(B, S, h * d))
end

t.test("attention is causal attention, also with grouped heads, RoPE and QK-norm", function()
  T.manual_seed(3)
  local x = T.randn(2, 5, 8)
  for _, o in ipairs {
    { dim = 8, heads = 2 },
    { dim = 8, heads = 4, kv_heads = 2, bias = false },
    { dim = 8, heads = 2, kv_heads = 1, head_dim = 6, rope = true, qk_norm = true },
    { dim = 8, heads = 2, rope = { base = 100 } },
  } do
    local a = nn.CausalSelfAttention(o)
    near(a(x), attention_by_hand(a, x))
  end
  t.raises(function() nn.CausalSelfAttention { dim = 8, heads = 3 } end, "cannot be cut into 3 heads")
end)

t.test("dropout acts in training alone", function()
  local x = T.randn(2, 5, 8)
  local attention = nn.CausalSelfAttention { dim = 8, heads = 2, dropout = 0.5 }
  for _, m in ipairs { nn.MLP { dim = 8, dropout = 0.5 }, attention } do
    t.ok(m(x):eq(0):sum():item() > 10, "zeros in training")
    nn.train(m, false)
    t.eq(m(x):eq(0):sum():item(), 0)
  end
end)

t.test("a state goes from one module to another, and nothing of it if it does not fit", function()
  T.manual_seed(4)
  local a, b = Net(2), Net(2)
  local dict = nn.state_dict(a)
  t.ok(rawequal(dict["embed.weight"], a.embed.weight), "the tensors themselves")
  t.eq(dict["mask"]:tolist(), { 1.0, 1.0 })
  a.mask:fill_(5)
  t.eq({ nn.load_state_dict(b, dict) }, { {}, {} })
  for name, x in pairs(nn.state_dict(b)) do t.ok(x:tobytes() == dict[name]:tobytes(), name .. " is the same") end
  t.ok(b.embed.weight.requires_grad, "it asks for a gradient as before")

  local before = b.blocks[1].weight:tobytes()
  local other = nn.state_dict(Net(2))
  other["embed.weight"] = nil
  other.more = T.ones(1)
  t.raises(function() nn.load_state_dict(b, other) end, "missing: embed.weight; not in the module: more")
  other = nn.state_dict(Net(2))
  other["embed.weight"] = T.ones(3, 5)
  t.raises(function() nn.load_state_dict(b, other) end, "embed.weight is %(5, 3%) f32 here and %(3, 5%) f32 there")
  t.raises(function() nn.load_state_dict(b, other, { strict = false }) end, "embed.weight is")
  other["embed.weight"] = 7
  t.raises(function() nn.load_state_dict(b, other) end, "embed.weight is no tensor")
  t.raises(function() nn.load_state_dict(b, nil) end, "tensors by name are expected, got a nil")
  t.ok(b.blocks[1].weight:tobytes() == before, "nothing was copied")
  t.eq({ nn.load_state_dict(b, { mask = T.zeros(2), more = T.ones(1) }, { strict = false }) },
    { { "blocks.1.bias", "blocks.1.weight", "blocks.2.bias", "blocks.2.weight", "embed.weight" }, { "more" } })
  t.eq(b.mask:tolist(), { 0.0, 0.0 })
end)

t.test("a module is converted as a whole, and tied tensors stay tied", function()
  local net = nn.to(Net(1), "bf16")
  t.eq({ net.blocks[1].weight.dtype, net.mask.dtype, net._cache.dtype }, { "bf16", "bf16", "f32" })
  t.ok(rawequal(net.embed.weight, net.head.weight), "tied")
  t.eq({ #nn.parameters(net), #nn.named_buffers(net) }, { 3, 1 })
  local y = net(T.ones(2, 3, { dtype = "bf16" }))
  y:sum():backward()
  t.eq(net.blocks[1].weight.grad.shape, { 3, 3 })
end)

t.test("print shows a module's parameters and how many numbers they hold", function()
  local lines = {}
  for line in tostring(Net(1)):gmatch("[^\n]+") do lines[#lines + 1] = line end
  t.eq(lines, { "Net", "  blocks.1.bias (3) f32", "  blocks.1.weight (3, 3) f32", "  embed.weight (5, 3) f32",
    "  mask (2) f32, buffer", "  27 parameters, 2 in buffers" })
end)

t.test("misuse of a layer says what is wrong, at the line that made it", function()
  local function raises(fn, pattern) t.match(tostring(t.raises(fn, pattern)), "test_nn.lua:%d+:") end
  raises(function() nn.Linear(3) end, "number of outputs is a whole number from 1 up, got nil")
  raises(function() nn.Linear(3, 4, { biases = 1 }) end, "Linear has no option 'biases'; it has bias, std, init, dtype")
  raises(function() nn.Linear(3, 4, 5) end, "options are a table, got number")
  raises(function() nn.Embedding(0, 4) end, "the number of rows")
  raises(function() nn.LayerNorm("x") end, "LayerNorm: dim")
  raises(function() nn.MLP {} end, "MLP: dim is a whole number")
  raises(function() nn.MLP() end, "MLP: dim is a whole number")
  raises(function() nn.CausalSelfAttention { dim = 4, heads = 0 } end, "heads is a whole number")
  t.raises(function() nn.Linear(3, 4, { dtype = "f64" }) end, "no dtype 'f64'")
  t.raises(function() nn.Linear(3, 4)(T.ones(2, 5)) end, "linear")
end)

t.test("modules and layers are made without anything but plain Lua and tensors", function()
  for _, file in ipairs { "nn", "nn_module" } do
    local source = t.read(t.source .. "/lua/erlua/" .. file .. ".lua")
    for module in source:gmatch("require%(\"([^\"]+)\"%)") do
      t.ok(module == "erlua.tensor" or module == "erlua.nn_module", module .. " is required by " .. file)
    end
    t.no_match(source, "%f[%w_]io%.")
    t.no_match(source, "%f[%w_]os%.")
    t.no_match(source, "%f[%w_]debug%.")
  end
end)

t.test("a mistake is reported at the line that made it, not at one of a layer", function()
  local own = "^" .. debug.getinfo(1, "S").short_src:gsub("%p", "%%%0") .. ":%d+: "
  local function at(f, what) t.raises(f, own .. what) end
  at(function() local _ = nn.Linear(3, 3)(T.zeros(2, 4)) end, "linear of %(2, 4%)")
  at(function() local _ = nn.LayerNorm(4)(T.zeros(2, 3)) end, "layer_norm of")
  at(function() local _ = nn.RMSNorm(4)(T.zeros(2, 3)) end, "rms_norm of")
  at(function() local _ = nn.parameters(3) end, "a module is a table, got number")
  at(function() local _ = nn.count() end, "a module is a table, got nil")
  at(function() local _ = nn.to(nn.Linear(2, 2), "f99") end, "there is no dtype 'f99'")
  at(function() local _ = nn.Module("Odd")()(1) end, "the module Odd has no method forward")
  at(function() local _ = nn.Module(3) end, "nn.Module: the class's name is expected, got number")
end)

return t
