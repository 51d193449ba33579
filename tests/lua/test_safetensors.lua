-- Checkpoints: what is written is read, by others too; what is hostile is refused with a word.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local T, safetensors = erlua.tensor, erlua.safetensors

local function file(header, data, length)
  header = type(header) == "table" and erlua.json.encode(header) or header
  return string.pack("<I8", length or #header) .. header .. (data or "")
end

local function entry(dtype, shape, from, to) return { dtype = dtype, shape = shape, data_offsets = { from, to } } end

local function path_of(bytes) return t.write(t.tmpdir() .. "/x.safetensors", bytes) end

-- Reading these bytes is refused with this word in the message.
local function refused(bytes, word, code)
  local dict, message, got = safetensors.load(path_of(bytes))
  t.eq(dict, nil, word)
  t.ok(message:find(word, 1, true), message .. "\nlacks: " .. word)
  t.eq(got, code or "format", message)
end

local function list_of(x) return x:to("f32"):flatten():tolist() end

t.test("every dtype of tensors comes back bit for bit, with shapes, views and metadata", function()
  T.manual_seed(1)
  local w = T.randn(3, 4)
  local given = { w = w, ["a.view"] = w:t(), half = w:to("bf16"), ["i"] = T.tensor { -5, 2 ^ 31 - 1 // 1 | 0 },
    u = T.tensor({ 1, 65535 }, { dtype = "u16" }), b = T.tensor({ 0, 255 }, { dtype = "u8" }), scalar = T.tensor(3.5), none = T.ones(0, 3) }
  local path = t.tmpdir() .. "/x.safetensors"
  t.eq(safetensors.save(path, given, { config = '{"width":4}', ["Ü"] = "line\nbreak" }), true)
  local got, metadata = assert(safetensors.load(path))
  t.eq(metadata, { config = '{"width":4}', ["Ü"] = "line\nbreak" })
  for name, x in pairs(given) do
    t.eq(got[name].dtype, x.dtype, name)
    t.eq(got[name].shape, x.shape, name)
    t.eq(list_of(got[name]), list_of(x), name)
  end
  for name in pairs(got) do t.ok(given[name], name) end
end)

t.test("the same tensors make the same bytes, whatever the order in which they were named", function()
  local dir, a, b = t.tmpdir(), {}, {}
  for i = 1, 20 do a["t" .. i] = T.full({ 2 }, i, { dtype = i % 2 == 0 and "u8" or "f32" }) end
  for i = 20, 1, -1 do b["t" .. i] = a["t" .. i] end
  assert(safetensors.save(dir .. "/a", a, { x = "1", y = "2" }))
  assert(safetensors.save(dir .. "/b", b, { y = "2", x = "1" }))
  t.ok(t.read(dir .. "/a") == t.read(dir .. "/b"))
  local bytes = t.read(dir .. "/a")
  t.eq(string.unpack("<I8", bytes) % 8, 0, "the data begin at a multiple of 8")
  t.ok(bytes:find('"t1":', 1, true) < bytes:find('"t2":', 1, true), "the widest first")
end)

t.test("only the tensors that were asked for are read, and one that is missing is named", function()
  local path = t.tmpdir() .. "/x"
  assert(safetensors.save(path, { a = T.ones(2), b = T.ones(3) }))
  local got = assert(safetensors.load(path, { names = { "b" } }))
  t.eq({ got.a, got.b:size(1) }, { nil, 3 })
  local none, message, code = safetensors.load(path, { names = { "b", "c" } })
  t.eq({ none, code }, { nil, "ENOENT" })
  t.ok(message:find("no tensor 'c'", 1, true), message)
end)

t.test("the header alone says names, dtypes, shapes and how many numbers there are", function()
  local path = path_of(file({ b = entry("F16", { 2, 3 }, 0, 12), a = entry("U8", {}, 12, 13), __metadata__ = { k = "v" } }, ("\0"):rep(13)))
  local entries, metadata, numbers, bytes = safetensors.header(path)
  t.eq(bytes, ("<I8"):unpack(t.read(path)))
  t.eq(entries, { { name = "a", dtype = "U8", shape = {} }, { name = "b", dtype = "F16", shape = { 2, 3 } } })
  t.eq({ metadata, numbers }, { { k = "v" }, 7 })
end)

t.test("other dtypes are converted where that loses nothing but digits, and refused by name where it does", function()
  local function one(dtype, format, ...)
    local data = string.pack("<" .. format:rep(select("#", ...)), ...)
    local dict, message, code = safetensors.load(path_of(file({ x = entry(dtype, { select("#", ...) }, 0, #data) }, data)))
    if not dict then return nil, message, code end
    return dict.x.dtype, dict.x:to("f32"):tolist()
  end
  t.eq({ one("F64", "d", 1.5, -0.25) }, { "f32", { 1.5, -0.25 } })
  t.eq({ one("F16", "I2", 0x3C00, 0xC000, 0x0001, 0x7BFF, 0x8000) }, { "f32", { 1.0, -2.0, 2.0 ^ -24, 65504.0, -0.0 } })
  t.eq({ one("F16", "I2", 0x7C00, 0xFC00) }, { "f32", { math.huge, -math.huge } })
  t.ok(select(2, one("F16", "I2", 0x7C01))[1] ~= select(2, one("F16", "I2", 0x7C01))[1], "NaN stays NaN")
  t.eq({ one("I64", "i8", -3, 7) }, { "i32", { -3.0, 7.0 } })
  t.eq({ one("I16", "i2", -300) }, { "i32", { -300.0 } })
  t.eq({ one("I8", "i1", -1, 127) }, { "i32", { -1.0, 127.0 } })
  t.eq({ one("U32", "I4", 5) }, { "i32", { 5.0 } })
  t.eq({ one("BOOL", "I1", 0, 1, 7) }, { "u8", { 0.0, 1.0, 1.0 } })
  for dtype, value in pairs { I64 = 2 ^ 31 | 0, U32 = 2 ^ 31 | 0, U64 = -1 } do
    local none, message, code = one(dtype, dtype == "U32" and "I4" or "i8", value)
    t.eq({ none, code }, { nil, "range" })
    t.ok(message:find("'x' of dtype " .. dtype .. " holds a number that is no 32-bit integer", 1, true), message)
  end
  local none, message, code = one("F8_E4M3", "I1", 1)
  t.eq({ none, code }, { nil, "dtype" })
  t.ok(message:find("store it as F32 or BF16", 1, true), message)
end)

t.test("a header that lies about its length or is not JSON is refused", function()
  refused("", "no safetensors file: it has 0 bytes")
  refused("1234567", "it has 7 bytes")
  refused(file("{}", "", math.mininteger), "a header of 9223372036854775808 bytes")
  refused(file("{}", "", 100000001), "100000000 is the most")
  refused(file("{}", "", 99999999), "a header of 99999999 bytes in a file of 10")
  refused(file(""), "does not begin with '{'")
  refused(file(" {}"), "does not begin with '{'")
  refused(file("[]"), "does not begin with '{'")
  refused(file("{"), "the text ends")
  refused(file("{} x"), "more text behind the value")
  refused(file('{"a":' .. ("["):rep(100000)), "an object was expected")
  refused(file('{"a":{"dtype":' .. ("["):rep(100) .. "}}"), "a string was expected")
  refused(file('{"\xff":1}'), "no UTF-8")
  refused(file('{"a\\u0000b":{}}'), "a NUL in the name of a tensor")
  refused(file('{"a\\ud800":{}}'), "first half of a pair")
  refused(file('{"__metadata__":{"a":1}}'), "a string was expected")
  refused(file('{"__metadata__":{"a":"1","a":"2"}}'), "'a' comes twice in __metadata__")
  refused(file('{"__metadata__":{},"__metadata__":{}}'), "__metadata__ comes twice")
end)

t.test("numbers that are no sizes are refused", function()
  local function shape(s, offsets) return file(('{"a":{"dtype":"U8","shape":%s,"data_offsets":%s}}'):format(s, offsets or "[0,1]"), "x") end
  refused(shape("[-1]"), "a whole number of at least 0")
  refused(shape("[1.0]"), "not a fraction")
  refused(shape("[1e0]"), "not a fraction")
  refused(shape("[9007199254740993]"), "above 2^53")
  refused(shape("[99999999999999999999999999]"), "above 2^53")
  refused(shape("[9007199254740992,9007199254740992]"), "product overflows")
  refused(shape("[0,9007199254740992,9007199254740992]", "[0,0]"), "product overflows")
  refused(file({ a = entry("F64", { 2 ^ 53 // 1 | 0, 1024 }, 0, 8) }, "12345678"), "product overflows")
  refused(shape("[1,1,1,1,1,1,1,1,1]"), "more than 8 dims")
  refused(shape('["1"]'), "a whole number")
  refused(shape("{}"), "a list was expected")
  refused(shape("[1]", "[0,1,2]"), "more than two data_offsets")
  refused(shape("[1]", "[0]"), "two numbers")
  refused(shape("[1]", "[1,0]"), "do not fit")
  refused(shape("[2]"), "do not fit")
end)

t.test("tensors that overlap, leave holes, reach out or come twice are refused and named", function()
  refused(file({ a = entry("U8", { 2 }, 0, 2), b = entry("U8", { 2 }, 1, 3) }, "abc"), "'b' (bytes 1 to 3 of the data) overlaps")
  refused(file({ a = entry("U8", { 1 }, 0, 1), b = entry("U8", { 1 }, 2, 3) }, "abc"), "'b' (bytes 2 to 3 of the data) leaves a hole")
  refused(file({ a = entry("U8", { 4 }, 0, 4) }, "abc"), "reaches beyond the end of the file")
  refused(file({ a = entry("U8", { 2 }, 0, 2) }, "abc"), "1 bytes of data belong to no tensor")
  refused(file("{}", "abc"), "3 bytes of data belong to no tensor")
  refused(file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', "ab"), "'a' comes twice")
  refused(file('{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', "a"), "comes twice")
  refused(file('{"a":{"dtype":"U8","shape":[1]}}', "a"), "needs dtype, shape and data_offsets")
  refused(file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"more":1}}', "a"), "none of dtype")
  refused(file({ a = entry("C64", { 1 }, 0, 8) }, "12345678"), "there is no dtype 'C64'")
end)

t.test("a name of any length cannot flood a message, nor write to the terminal", function()
  local name = ("\27[31m"):rep(10000)
  local _, message = safetensors.load(path_of(file({ [name] = entry("U8", { 9 }, 0, 9) }, "abc")))
  t.ok(#message < 400 and not message:find("\27", 1, true), message)
end)

t.test("links, folders, FIFOs and devices are not opened", function()
  local dir = t.tmpdir()
  assert(safetensors.save(dir .. "/real", { a = T.ones(2) }))
  assert(os.execute("cd " .. t.quote(dir) .. " && ln -s real link && mkfifo fifo && mkdir folder"))
  for name, word in pairs { link = "it is a link", fifo = "not a regular file", folder = "not a regular file" } do
    local none, message = safetensors.load(dir .. "/" .. name)
    t.eq(none, nil, name)
    t.ok(message:find(word, 1, true), message)
  end
  t.eq(safetensors.load("/dev/zero"), nil)
  t.eq({ select(3, safetensors.load(dir .. "/nothing")) }, { "ENOENT" })
end)

t.test("what cannot be written is said, and nothing is left beside the old file", function()
  local dir = t.tmpdir()
  local path = dir .. "/x"
  assert(safetensors.save(path, { a = T.tensor { 1, 2 } }))
  local before = t.read(path)
  for _, bad in ipairs { { "\xff", T.ones(1) }, { "__metadata__", T.ones(1) } } do
    t.eq(safetensors.save(path, { [bad[1]] = bad[2] }), nil)
  end
  t.eq(safetensors.save(path, { a = T.ones(1) }, { k = "\xff" }), nil)
  t.ok(t.read(path) == before)
  t.eq(select(3, safetensors.save(dir .. "/no/x", { a = T.ones(1) })), "ENOENT")
  t.eq(select(3, safetensors.save(dir, { a = T.ones(1) })), "EISDIR")
  t.eq(require("erlua.core.fs").list(dir), { "x" })
  t.raises(function() safetensors.save(path, { a = 1 }) end, "'a' is no tensor, but number")
  t.raises(function() safetensors.save(path, { T.ones(1) }) end, "names")
  t.raises(function() safetensors.save(path, {}, { steps = 3 }) end, "tostring")
  t.raises(function() safetensors.load(path, { name = { "a" } }) end, "no option 'name'")
end)

t.test("on a full disk the old checkpoint stays as it was", function()
  local dir = t.tmpdir()
  t.write(dir .. "/save.lua", [[
    local T, n = erlua.tensor, tonumber(arg[1])
    print(erlua.safetensors.save("x.safetensors", { w = T.full({ n }, n) }))
  ]])
  local function save(n, blocks)
    return t.run({ "sh", "-c", "trap '' XFSZ; ulimit -f " .. blocks .. '; exec "$@"', "sh", t.erlua, "save.lua", n }, { cwd = dir }).out
  end
  t.eq(save("100", "unlimited"), "true\n")
  local before = t.read(dir .. "/x.safetensors")
  t.ok(save("100000", "8"):find("cannot write x.safetensors: File too large", 1, true))
  t.ok(t.read(dir .. "/x.safetensors") == before)
  t.eq(require("erlua.core.fs").list(dir), { "save.lua", "x.safetensors" })
end)

t.test("a program that is killed while it saves leaves a whole checkpoint", function()
  local dir = t.tmpdir()
  local path = dir .. "/x.safetensors"
  t.write(dir .. "/save.lua", [[
    local w = erlua.tensor.ones(200000)
    for i = 1, 1e6 do assert(erlua.safetensors.save("x.safetensors", { w = w:mul(i), i = erlua.tensor.tensor(i) })) end
  ]])
  local last = 0
  for _ = 1, 4 do
    local running = erlua.spawn(erlua.exec, { t.erlua, "save.lua", cwd = dir })
    os.remove(path)
    t.await("a checkpoint is there", function() return t.read(path) ~= nil end)
    running:cancel()
    running:wait()
    local got = assert(safetensors.load(path))
    last = got.i:item()
    t.eq({ got.w[1]:item(), got.w[200000]:item() }, { last, last })
  end
  t.ok(last >= 1)
end)

t.test("a saved tensor may ask for gradients, and saving records none", function()
  local path = t.tmpdir() .. "/x"
  local w = T.ones(4, 4, { requires_grad = true })
  assert(safetensors.save(path, { w = w, turned = w:t(), part = w:narrow(2, 2, 2) }))
  local got = assert(safetensors.load(path))
  t.eq({ got.w.requires_grad, got.part:size(2) }, { false, 2 })
end)

return t
