-- Shards and the batches from them: every token where it belongs, for each rank, again after a restore.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local T, data = erlua.tensor, erlua.data

-- Shards whose token i is i, counted through all of them; returns the folder.
local function shards(...)
  local dir, at = t.tmpdir(), 0
  for i, n in ipairs { ... } do
    assert(data.write_shard(("%s/train_%d.bin"):format(dir, i), T.arange(at, at + n)))
    at = at + n
  end
  return dir
end

local function bin(count, tokens, magic, version)
  local header = { string.pack("<i4i4i4", magic or 20240520, version or 1, count), ("\0"):rep(1012) }
  for _, id in ipairs(tokens or {}) do header[#header + 1] = string.pack("<I2", id) end
  return table.concat(header)
end

-- First tokens of the rows of the next batch; each row and its targets must be consecutive.
local function firsts(loader)
  local x, y = assert(loader:next())
  local out = {}
  t.eq({ x.dtype, y.dtype, x.shape, y.shape }, { "i32", "i32", { loader.batch, loader.length }, { loader.batch, loader.length } })
  for row = 1, loader.batch do
    local a, b = x[row]:tolist(), y[row]:tolist()
    out[row] = a[1]
    for i = 1, loader.length do t.eq({ a[i], b[i] }, { a[1] + i - 1, a[1] + i }) end
  end
  return out
end

t.test("a shard is read as it was written, in llm.c's format", function()
  local path = t.tmpdir() .. "/x.bin"
  t.eq(data.write_shard(path, T.tensor { 0, 65535, 7 }), true)
  t.eq(t.read(path), bin(3, { 0, 65535, 7 }))
  local ids = assert(data.read_shard(path))
  t.eq({ ids.dtype, ids:tolist() }, { "u16", { 0, 65535, 7 } })
  t.eq(data.read_shard(path, { first = 1 }):tolist(), { 65535, 7 })
  t.eq(data.read_shard(path, { first = 1, count = 1 }):tolist(), { 65535 })
  assert(data.write_shard(path, T.arange(10):to("u8"):view(5, 2):select(2, 2)))
  t.eq(data.read_shard(path):tolist(), { 1, 3, 5, 7, 9 })
  assert(data.write_shard(path, T.ones(0, { dtype = "u16" })))
  t.eq(#data.read_shard(path), 0)
end)

t.test("what is no row of ids from 0 to 65535 is not written, and the old shard stays", function()
  local path = t.tmpdir() .. "/x.bin"
  assert(data.write_shard(path, T.tensor { 1 }))
  for _, case in ipairs { { T.tensor { 1, -1 }, "token 1 is -1" }, { T.tensor { 65536 }, "token 0 is 65536" },
    { T.ones(2), "a shard is made of one row of whole numbers (u8, u16 or i32), not of (2) f32" }, { T.ones(1, 1, { dtype = "i32" }), "not of (1, 1) i32" } } do
    local none, message = data.write_shard(path, case[1])
    t.ok(none == nil and message:find(case[2], 1, true), message)
  end
  t.eq(t.read(path), bin(1, { 1 }))
  t.eq(require("erlua.core.fs").list(path:match("^(.*)/")), { "x.bin" })
end)

t.test("a file that is no shard, was cut, or lies about its length is refused and named", function()
  local path = t.tmpdir() .. "/x.bin"
  for _, case in ipairs { { "", "0 bytes are less than its header" }, { bin(1, { 1 }, 7), "it begins with 7, not 20240520" },
    { bin(1, { 1 }, nil, 7), "version 7" }, { bin(3, { 1, 2 }), "says 3 tokens, and the file holds 4 bytes", "truncated" },
    { bin(1, { 1, 2 }), "says 1 tokens" }, { bin(-1, {}), "says -1 tokens" }, { bin(1, { 1 }) .. "x", "holds 3 bytes" },
    { bin(0x7fffffff, { 1 }), "says 2147483647 tokens", "truncated" } } do
    t.write(path, case[1])
    local none, message, code = data.read_shard(path)
    t.eq({ none, code }, { nil, case[3] or "format" }, case[2])
    t.ok(message:find(path, 1, true) and message:find(case[2], 1, true), message)
  end
  t.eq(select(3, data.shards(path .. "x", { batch = 1, length = 1 })), "ENOENT")
  t.eq(select(3, data.shards(t.tmpdir() .. "/*.bin", { batch = 1, length = 1 })), "ENOENT")
  t.eq(data.read_shard("/dev/zero"), nil)
end)

t.test("an id that is not below the vocabulary is an error that names the file and the byte", function()
  local path = t.tmpdir() .. "/x.bin"
  assert(data.write_shard(path, T.tensor { 1, 2, 300, 4, 5 }))
  local loader = assert(data.shards(path, { batch = 1, length = 2, vocab = 300 }))
  local none, message, code = loader:next()
  t.eq({ none, code }, { nil, "range" })
  t.ok(message:find(path .. ": token 2 (byte 1028) is 300, not below the vocabulary of 300", 1, true), message)
  t.eq(loader.step, 0)
  t.eq(select(3, data.read_shard(path, { vocab = 256 })), "range")
end)

t.test("in order, every window of every shard comes once an epoch, shards by name", function()
  local dir = shards(11, 4, 8)                        -- windows of 3: 3, 1, 2
  local loader = assert(data.shards(dir .. "/train_*.bin", { batch = 2, length = 3 }))
  t.eq({ loader.windows, loader.tokens }, { 6, 23 })
  t.eq({ firsts(loader), firsts(loader), firsts(loader), firsts(loader) }, { { 0, 3 }, { 6, 11 }, { 15, 18 }, { 0, 3 } })
end)

t.test("ranks share the windows without meeting", function()
  local dir = shards(25)
  local a = assert(data.shards({ dir .. "/train_1.bin" }, { batch = 2, length = 3, rank = 0, world = 2 }))
  local b = assert(data.shards({ dir .. "/train_1.bin" }, { batch = 2, length = 3, rank = 1, world = 2 }))
  t.eq({ firsts(a), firsts(b), firsts(a), firsts(b) }, { { 0, 3 }, { 6, 9 }, { 12, 15 }, { 18, 21 } })
end)

t.test("with a seed windows begin anywhere, in all shards, the same for the same seed and others for another", function()
  local dir = shards(40, 5, 60)
  local function run(seed, rank)
    local loader = assert(data.shards(dir .. "/*.bin", { batch = 4, length = 4, seed = seed, rank = rank, world = rank and 2 }))
    local out = {}
    for _ = 1, 60 do table.move(firsts(loader), 1, 4, #out + 1, out) end
    return out
  end
  local seen, kinds = {}, 0
  for _, first in ipairs(run(7)) do
    if not seen[first] then seen[first], kinds = true, kinds + 1 end
    t.ok(first <= 35 or first == 40 or (first >= 45 and first <= 100), "row " .. first .. " lies in one shard")
  end
  t.ok(kinds > 60 and seen[40], kinds .. " places of 93")
  t.eq(run(7), run(7))
  t.ok(erlua.json.encode(run(7)) ~= erlua.json.encode(run(8)))
  t.ok(erlua.json.encode(run(7, 0)) ~= erlua.json.encode(run(7, 1)))
end)

t.test("draws are those of Philox 4x32-10, evenly spread", function()
  local draw = require("erlua.core.model").draw
  local words = 0xe169c58d << 32 | 0x6627e8d5         -- the published answer to key 0 and counter 0 begins like this
  t.eq(draw(0, 0, 1 << 62), words >> 2)
  local counts = {}
  for i = 1, 6000 do
    local k = draw(-5, i, 6)
    counts[k] = (counts[k] or 0) + 1
  end
  for k = 0, 5 do t.ok(math.abs(counts[k] - 1000) < 150, k .. ": " .. counts[k]) end
end)

t.test("a restored loader goes on bit for bit, and one of other shards or options refuses the state", function()
  local dir = shards(200)
  for _, seed in ipairs { false, 3 } do
    local function open(length)
      return assert(data.shards(dir .. "/train_1.bin", { batch = 3, length = length or 5, seed = seed or nil }))
    end
    local a, b = open(), open()
    firsts(a)
    firsts(a)
    b:restore(assert(erlua.json.decode(erlua.json.encode(a:state()))))
    for _ = 1, 20 do t.eq(firsts(b), firsts(a)) end
    t.raises(function() open(6):restore(a:state()) end, "length = 5, this one has 6")
    t.raises(function() a:restore {} end, "batch = nil")
  end
end)

t.test("a shard that shrinks while it is read is an error, not a crash", function()
  local path = shards(2000) .. "/train_1.bin"
  local loader = assert(data.shards(path, { batch = 1, length = 1500 }))
  t.write(path, bin(2000, { 1, 2, 3 }))
  local none, message, code = loader:next()
  t.eq({ none, code }, { nil, "truncated" })
  t.ok(message:find("bytes too early", 1, true), message)
end)

t.test("an open descriptor reads like a path, and stays the caller's", function()
  local path = shards(30) .. "/train_1.bin"
  local r = t.run({ "sh", "-c", 'exec 5<"$1"; exec "$2" -e "$3"', "sh", path, t.erlua,
    "for _ = 1, 2 do print(#assert(erlua.data.read_shard(5)), #assert(erlua.data.shards({ 5 }, { batch = 2, length = 4 })):next()) end" })
  t.eq(r.out, "30\t2\n30\t2\n", r.err)
  t.raises(function() data.read_shard(999) end, "no open descriptor")
end)

t.test("wrong options are named", function()
  local path = shards(30) .. "/train_1.bin"
  for _, case in ipairs { { { batch = 1 }, "needs the options batch and length" }, { { batch = 0, length = 1 }, "'batch' must be a whole number of at least 1" },
    { { batch = 1.5, length = 1 }, "got 1.5" }, { { batch = 1, length = 1, sed = 1 }, "no option 'sed'" },
    { { batch = 1, length = 1, rank = 2, world = 2 }, "rank 2 of a world of 2" } } do
    t.raises(function() data.shards(path, case[1]) end, case[2])
  end
  local none, message, code = data.shards(path, { batch = 1, length = 30 })
  t.eq({ none, code }, { nil, "range" })
  t.ok(message:find("no shard holds a window of 30 tokens", 1, true), message)
end)

t.test("a text file becomes ids, byte by byte or through a tokenizer", function()
  local path = t.write(t.tmpdir() .. "/x.txt", "hé\0\xff")
  t.eq(assert(data.text(path)):tolist(), { 104, 195, 169, 0, 255 })
  t.eq(assert(data.text(path, data.tokenizer("byte"))).dtype, "u16")
  t.eq(select(3, data.text(path .. "x")), "ENOENT")
end)

return t
