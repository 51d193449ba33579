-- erlua.tensor where scripts go wrong without noticing: numbers that do not fit, storage that is read while it is
-- written, corners of functions, tables that lead back to themselves.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local T, optim, data = erlua.tensor, erlua.optim, erlua.data

t.test("tensors are joined along the first dim unless told", function()
  t.eq(T.cat({ T.tensor { 1 }, T.tensor { 2, 3 } }):tolist(), { 1, 2, 3 })
  t.eq(T.stack({ T.tensor { 1, 2 }, T.tensor { 3, 4 } }):tolist(), { { 1, 2 }, { 3, 4 } })
end)

t.test("an integer tensor that meets a fraction becomes f32", function()
  local x, first = T.tensor { 1, 5 }, T.tensor { 1, 0 }
  t.eq(x:clamp(nil, 2.5):tolist(), { 1.0, 2.5 })
  t.eq(x:minimum(2.5):tolist(), { 1.0, 2.5 })
  t.eq(x:clamp(2):tolist(), { 2, 5 })
  t.eq((x * math.huge):tolist(), { math.huge, math.huge })
  t.eq(x:masked_fill(first, 0.5):tolist(), { 0.5, 5.0 })
  t.eq(x:masked_fill(first, -math.huge):tolist(), { -math.huge, 5.0 })
  t.eq(T.where(first, 1.5, x):tolist(), { 1.5, 5.0 })
  t.eq(T.where(first, 7, x):tolist(), { 7, 5 })
end)

t.test("whole numbers take no fractions, and no dtype takes a number that it cannot hold", function()
  local ids = T.tensor { 0, 1 }
  t.raises(function() T.zeros(3, { dtype = "i32" }):index_add(1, ids, T.tensor { 1.5, 2.5 }) end, "convert one of them")
  t.raises(function() T.zeros(3, { dtype = "i32" }):scatter(1, ids, 0.5) end, "convert one of them")
  t.eq(T.zeros(3, { dtype = "bf16" }):scatter(1, ids, 0.5):tolist(), { 0.5, 0.5, 0.0 })
  t.raises(function() T.tensor { 3000000000 } end, "outside of i32")
  t.raises(function() T.tensor({ -1 }, { dtype = "u8" }) end, "outside of u8")
  t.raises(function() T.tensor({ 0 / 0 }, { dtype = "u16" }) end, "outside of u16")
  t.eq(T.tensor { -2147483648, 2147483647 }:tolist(), { -2147483648, 2147483647 })
end)

t.test("pieces of given sizes make up the whole dim", function()
  t.eq(select("#", T.arange(5):split { 2, 3 }), 2)
  t.raises(function() T.arange(5):split { 2, 2 } end, "leave 1 elements")
  t.raises(function() T.arange(5):split {} end, "no sizes")
end)

t.test("what is read lies apart from what is written in place", function()
  local function line() return T.arange(1000):to("f32") end
  local x, y = line(), line()
  x[{ { 2, -1 } }] = x[{ { 1, -2 } }]
  t.eq(x[-1]:item(), 998.0)
  t.eq((x[{ { 2, -1 } }] - T.arange(999)):abs():max():item(), 0.0)
  y[{ { 2, -1 } }]:add_(y[{ { 1, -2 } }])
  t.eq((y[{ { 2, -1 } }] - T.arange(1, 1000) * 2 + 1):abs():max():item(), 0.0)
  local rows = T.tensor { { 1., 2. }, { 3., 4. }, { 5., 6. } }
  t.eq(rows:sub_(rows[1]):tolist(), { { 0.0, 0.0 }, { 2.0, 2.0 }, { 4.0, 4.0 } })
  local square = T.tensor { { 1., 2. }, { 3., 4. } }
  t.eq(square:mul_(square):tolist(), { { 1.0, 4.0 }, { 9.0, 16.0 } })
  t.eq(square:copy_(square:t()):tolist(), { { 1.0, 9.0 }, { 4.0, 16.0 } })
  t.eq(line():addcmul_(line(), line()):size(1), 1000)
end)

t.test("a view has no more elements than can be counted", function()
  t.raises(function() T.zeros(1):expand(1 << 30, 1 << 30) end, "at most 2%^40 elements")
  t.raises(function() T.zeros(1):expand(1 << 40, 1 << 40) end, "must be countable")
  local n = 1 << 16
  t.raises(function() T.zeros(n):unfold(1, n // 2, 1):unfold(1, n // 4, 1):unfold(1, n // 8, 1) end, "at most 2%^40 elements")
  t.eq(T.zeros(1):expand(1 << 20, 1 << 20).shape, { 1 << 20, 1 << 20 })
  t.eq(T.zeros(1):expand(0, 1 << 44).shape, { 0, 1 << 44 })
end)

t.test("an element that is in several places is not written", function()
  t.raises(function() T.zeros(1):expand(3):copy_(T.tensor { 1., 2., 3. }) end, "in several places")
  t.raises(function() T.zeros(5):unfold(1, 3, 1):add_(1) end, "in several places")
  t.eq(T.zeros(6):unfold(1, 3, 3):add_(1):sum():item(), 6.0)
  t.eq(T.zeros(3, 4):t()[{ { 1, -1, 2 } }]:add_(1):sum():item(), 6.0)
end)

t.test("a norm or a deviation of 0 gives a gradient of 0", function()
  local x, y = T.zeros(3, { requires_grad = true }), T.ones(3, { requires_grad = true })
  local both = x:norm() + y:std()
  both:backward()
  t.eq(x.grad:tolist(), { 0.0, 0.0, 0.0 })
  t.eq(y.grad:tolist(), { 0.0, 0.0, 0.0 })
  local z = T.tensor({ 3., 4. }, { requires_grad = true })
  z:norm():backward()
  t.near(z.grad[1]:item(), 0.6, 1e-6)
end)

t.test("three operands of several dtypes have the widest, and so has the gradient", function()
  local w = T.full({ 2 }, 0.5, { requires_grad = true })
  T.lerp(T.tensor { 0.25, 0.5 }, T.tensor { 1, 2 }, w):sum():backward()
  t.eq(w.grad:tolist(), { 0.75, 1.5 })
  t.eq(T.addcmul(T.zeros(1, { dtype = "bf16" }), T.ones(1), T.ones(1)).dtype, "f32")
end)

t.test("a gradient is of floating-point numbers, and apart from the tape", function()
  local x = T.zeros(2, { requires_grad = true })
  t.raises(function() x.grad = T.zeros(2, { dtype = "i32" }) end, "floating%-point")
  x.grad = x * 2
  t.eq(x.grad.requires_grad, false)
  x.grad:fill_(3)
  t.eq(x.grad:tolist(), { 3.0, 3.0 })
end)

t.test("options that an operator does not have are refused, and probabilities that are none", function()
  local x = T.ones(2)
  t.raises(function() x:mul(2, { alpha = 3 }) end, "no option 'alpha'")
  t.raises(function() x:add_(2, { alpah = 3 }) end, "no option 'alpah'")
  t.raises(function() x:add(2, 3) end, "table expected")
  t.eq(x:sub(x, { alpha = 3 }):tolist(), { -2.0, -2.0 })
  t.raises(function() T.tensor { -1., 2. }:multinomial(1) end, "weight is negative")
  t.raises(function() x:bernoulli_(2) end, "from 0 to 1")
  t.raises(function() x:normal_(0, -1) end, "not negative")
end)

t.test("a scope keeps what lies deep in the tables that it returns, and tables that lead to themselves", function()
  local deep = T.scope(function()
    local list = { T.ones(2) }
    for _ = 1, 1000 do list = { list } end
    return list
  end)
  for _ = 1, 1000 do deep = deep[1] end
  t.eq(deep[1]:sum():item(), 2.0)
  local web = T.scope(function()
    local node = { x = T.ones(3) }
    for i = 1, 30 do node[i] = setmetatable({ node }, {}) node[i][2] = node[i] end
    return node
  end)
  t.eq(web.x:sum():item(), 3.0)
end)

t.test("weights in bf16 that are written over between two steps go on from there", function()
  for _, new in ipairs { optim.AdamW, optim.SGD, optim.Muon } do
    local w = T.ones(2, 2, { dtype = "bf16", requires_grad = true })
    local opt = new({ w }, { lr = 0.125 })
    local function step()
      w.grad = T.ones(2, 2)
      opt:step()
    end
    step()
    T.no_grad(function() w:fill_(64) end)
    step()
    t.near(w[1][1]:item(), 64, 0.5)
  end
end)

t.test("errors name the function that was called and what was asked of it", function()
  local x = T.zeros(2, 3)
  t.raises(function() x:view(4, -1) end, "^%S+ view of %(2, 3%) f32: its 6 elements do not fill %(4, %-1%)")
  t.raises(function() x:topk(5) end, "^%S+ topk of %(2, 3%) f32: dim 2 does not have 5 elements")
  t.raises(function() x:tile(2) end, "^%S+ tile of %(2, 3%) f32")
  for _, name in ipairs { "no_grad", "enable_grad", "scope" } do
    t.raises(function() T[name](x) end, "test_tensor_edges.lua:%d+: " .. name .. " takes a function and its arguments, got a tensor")
    t.raises(function() T[name](3) end, "got number")
    t.eq(T[name](setmetatable({}, { __call = function(_, a) return a + 1 end }), 3), 4)
  end
end)

t.test("options of shards that cannot be meant are refused at once", function()
  local path = t.tmpdir() .. "/a.bin"
  assert(data.write_shard(path, T.arange(100)))
  t.raises(function() data.shards(path, { batch = 1 << 40, length = 2 }) end, "at most 1048576 rows")
  t.raises(function() data.write_shard(path .. "\0.bin", T.arange(3)) end, "NUL")
  t.raises(function() erlua.safetensors.save(path .. "\0.bin", { x = T.ones(1) }) end, "NUL")
  t.raises(function() data.read_shard(path, { frist = 3 }) end, "no option 'frist'")
  t.raises(function() data.shards(path, { batch = 1, length = 2 }):restore() end, "a state is a table")
end)

t.test("sums and products of integers are exact, or raise where i32 does not hold them", function()
  local big = T.full({ 2, 3 }, 2 ^ 30, { dtype = "i32" })
  t.raises(function() big:sum() end, "sum of %(2, 3%) i32: 6442450944 is beyond i32")
  t.raises(function() big:neg():sum(2) end, "sum of %(2, 3%) i32: %-3221225472 is beyond i32")
  t.raises(function() big:cumsum(2) end, "cumsum of %(2, 3%) i32: 2147483648 is beyond i32")
  t.raises(function() big:prod(1) end, "prod of %(2, 3%) i32: 1152921504606846976 is beyond i32")
  t.eq(T.tensor { 2147483647, 0 }:sum():item(), 2147483647, "the largest itself")
  t.eq((T.tensor { -2147483647, -1 }):sum():item(), -2147483648)
  t.eq(big:mean():item(), 2.0 ^ 30)
  t.eq(T.tensor { 16777217, 1, 1 }:cumsum():tolist(), { 16777217, 16777218, 16777219 })
  t.eq(T.full({ 2, 2 }, 65535, { dtype = "u16" }):cumsum(1):tolist(), { { 65535, 65535 }, { 131070, 131070 } })
  t.eq(T.full({ 300 }, 255, { dtype = "u8" }):sum():item(), 76500)
end)

t.test("a kernel without memory to work in is an error that names operator and bytes, and the next one runs", function()
  local x = T.zeros(1):expand(1 << 40)
  t.raises(function() x:logsumexp() end, "logsumexp: no memory for the 4398046511104 bytes that a thread of it works in")
  t.eq(T.tensor { 1.0, 2.0 }:logsumexp():item(), T.tensor { 1.0, 2.0 }:exp():sum():log():item())
end)

return t
