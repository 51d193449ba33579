-- The state in which an evaluation runs a model that it does not trust.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local restricted = require("erlua.restricted")

local T = erlua.tensor

local function open(source, more)
  local options = { source = source, name = "@model.lua", seconds = 20 }
  for name, v in pairs(more or {}) do options[name] = v end
  return erlua.restricted(options)
end

-- A model with one function f and the identity on one-hot ids as logits.
local MODEL = "local M = {}\nfunction M.f(text) %s end\nfunction M.logits(ids) %s end\nreturn M"
local function model(f, logits, more)
  return assert(open(MODEL:format(f, logits or "return ids:one_hot(8):to('f32')"), more))
end

t.test("it has base, math, string, table, tensors, nn and safetensors.load, and nothing else", function()
  local s = model [[
    local names = {}
    for name in pairs(_G) do names[#names + 1] = name end
    for name in pairs(erlua) do names[#names + 1] = "erlua." .. name end
    for name in pairs(erlua.safetensors) do names[#names + 1] = "safetensors." .. name end
    table.sort(names)
    error(table.concat(names, " "), 0)]]
  local _, message, code = s:call("f", "")
  t.eq(code, "error")
  t.eq(message, "_G _VERSION assert collectgarbage erlua erlua.nn erlua.safetensors erlua.tensor error getmetatable ipairs load math next "
    .. "pairs pcall print rawequal rawget rawlen rawset safetensors.load select setmetatable string table tonumber tostring type xpcall")
  t.match(select(2, s:call("missing", "")), "no function 'missing'")
end)

t.test("logits are f32 of the caller, whatever floats and strides the model has", function()
  local ids = T.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
  local want = ids:one_hot(8):to("f32"):tolist()
  t.eq(model("", "return ids:one_hot(8):to('bf16')"):logits(ids, 8):tolist(), want)
  t.eq(model("", "return ids:one_hot(8):to('f32'):transpose(1, 3):contiguous():transpose(1, 3)"):logits(ids, 8):tolist(), want)
  t.eq(model("", "return erlua.tensor.full({ 2, 3, 1 }, 2.5):expand(2, 3, 8)"):logits(ids, 8):tolist(), T.full({ 2, 3, 8 }, 2.5):tolist())
end)

t.test("what the model does to its copy of the ids stays there", function()
  local ids = T.tensor { { 1, 2 } }
  assert(model("", "ids:zero_() return ids:one_hot(8):to('f32')"):logits(ids, 8))
  t.eq(ids:tolist(), { { 1, 2 } })
end)

t.test("logits of another shape or dtype, none, and those that are not finite are refused with their place", function()
  local ids = T.tensor { { 1, 2 } }
  local function refused(logits, code, pattern)
    local y, message, c = model("", logits):logits(ids, 8)
    t.eq({ y, c }, { nil, code })
    t.match(message, pattern)
  end
  refused("return ids:one_hot(9):to('f32')", "shape", "exactly %(1, 2, 8%), got %(1, 2, 9%) f32")
  refused("return ids:one_hot(8):to('f32'):view(2, 8)", "shape", "got %(2, 8%) f32")
  refused("return ids:one_hot(8):to('i32')", "shape", "got %(1, 2, 8%) i32")
  refused("return 5", "shape", "one tensor, got a number")
  refused("", "shape", "one tensor, got a nil")
  refused("return ids:one_hot(8):to('f32') / 0", "value", "a NaN %(window 1, position 1, column 1%)")
  refused("local y = ids:one_hot(8):to('f32') y[{1, 2, 5}] = -math.huge return y", "value", "an infinity %(window 1, position 2, column 5%)")
  refused("local s = erlua.tensor.scope() local y = ids:one_hot(8):to('f32') s:close() return y", "error", "freed when the scope ended")
  refused("error({})", "error", "no text but a table")
  refused("error(setmetatable({}, { __tostring = function() while true do end end }))", "error", "no text but a table")
end)

t.test("memory, tensors and time have their bounds, and an error that is caught does not stretch them", function()
  local _, message, code = model("return ('x'):rep(1e9)"):call("f", "")
  t.eq(code, "memory", message)
  _, message = model("return erlua.tensor.zeros(1e6)", nil, { tensors = 1000000 }):call("f", "")
  t.match(message, "tensors here may take 1000000 bytes")
  for _, loop in ipairs { "while true do end", "while true do pcall(function() while true do end end) end",
    "local x <close> = setmetatable({}, { __close = function() while true do end end }) error('x')",
    "while true do xpcall(error, function() while true do end end) end" } do
    local s = model(loop, nil, { seconds = 0.05 })
    _, message, code = s:call("f", "")
    t.eq(code, "time", message)
    t.match(message, "seconds of CPU time")
    t.eq(select(3, s:call("f", "")), "time", "it stays used up")
  end
end)

t.test("one call that would not end is ended as well: patterns, tables, texts", function()
  for _, body in ipairs {
    "return ('a'):rep(3000):find(('a?'):rep(50) .. ('a'):rep(3001))",
    "return ('a'):rep(3000):match(('.-'):rep(40) .. 'b')",
    "for _ in ('a'):rep(3000):gmatch(('a*'):rep(40) .. 'b') do end",
    "return ('a'):rep(3000):gsub(('.-'):rep(40) .. 'b', '')",
    "return table.concat(setmetatable({}, { __index = getmetatable, __metatable = '' }), '', 1, math.maxinteger - 1)",
    "local a, b, l = ('a'):rep(1e6), ('a'):rep(999999) .. 'a', {} for i = 1, 1e5 do l[i] = i % 2 == 0 and a or b end table.sort(l)",
  } do
    local _, message, code = model(body, nil, { seconds = 0.05 }):call("f", "")
    t.eq(code, "time", body)
    t.match(message, "seconds of CPU time")
  end
  for body, pattern in pairs {
    ["table.move({}, 1, math.maxinteger - 1, 2)"] = "move: 1 to 9223372036854775806 are more than",
    ["table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), 1, 1)"] = "insert: the table says that it has 1152921504606846976",
    ["table.remove(setmetatable({}, { __len = function() return 1 << 60 end }), 1)"] = "remove: the table says",
    ["return assert(load('--' .. ('x'):rep(1 << 18)))"] = "load: a chunk has at most 262144 bytes",
    ["return assert(load(function() return 'return 1 ' end))"] = "load: a chunk has at most 262144 bytes",
  } do
    t.match(select(2, model(body):call("f", "")), pattern)
  end
  t.match(select(2, open("--" .. ("x"):rep(1 << 18))), "model.lua has more than 262144 bytes")
  t.eq({ model("local parts = { 'return ', '7' } return (''):rep(math.maxinteger) == '' and load(function() return table.remove(parts, 1) end)() == 7")
    :call("f", "") }, { true })
end)

t.test("a tensor's kernel is broken off when the time is used up, and stays so", function()
  local made = "local T = erlua.tensor local x = T.zeros(%s) "
  for _, body in ipairs {
    made:format("1, 1") .. "x:expand(1 << 16, 1 << 13):sum(1)",
    made:format("4000, 4000") .. "x:matmul(x)",
    made:format("1, 1, 60000, 64") .. "x:scaled_dot_product_attention(x, x)",
    made:format("1, 1 << 20, 1") .. "x:conv1d(T.zeros(1, 1 << 20))",
    made:format("1, 1, 8000, 64, { requires_grad = true }")
      .. "T.set_grad_enabled(true) x:scaled_dot_product_attention(x, x):sum():backward()",
    "local T = erlua.tensor while true do pcall(T.exp, T.zeros(1 << 16)) end",
  } do
    local s = model(body, nil, { seconds = 0.05, tensors = 1 << 31 })
    local _, message, code = s:call("f", "")
    t.eq(code, "time", message)
    t.eq({ (s:logits(T.tensor { { 1 } }, 8)) }, {}, "no logits of a state whose time is over")
  end
  t.match(select(2, model("erlua.tensor.zeros(1):expand(1 << 30)", nil, { tensors = 1 << 20 }):call("f", "")),
    "at most 262144 elements here")
end)

t.test("its patterns are Lua's own", function()
  local function outcome(text)
    local ok, y = pcall(assert(load(text)))
    return ok and y or tostring(y):gsub("^.-:%d+: ", "")
  end
  local pieces = { "a", "b", ".", "%a", "%A", "%d", "[ab]", "[^a]", "[%w_]", "[a-c-]", "[]x]", "a*", "b-", ".-", "%s+", "[ab]?", "(", ")",
    "()", "%1", "^", "$", "%b()", "%f[%w]", "%%", "%", "[", "-", "x" }
  local texts = { "", "a", "abab ba", "(a(b))x", "a1 b22 c-", "a%b$^]", "xaxbx.ab" }
  local calls = {
    "return table.concat({ tostring((%q):find(%q)), select('#', (%q):find(%q)) }, ' ')",
    "local l = {} for a, b in (%q):gmatch(%q) do l[#l + 1] = tostring(a) .. '/' .. tostring(b) end return #l .. table.concat(l, ',') .. (%q):len() .. #%q",
    "return table.concat({ (%q):gsub(%q, '<%%0>') }, ' ') .. #%q .. #%q",
    "local l = table.pack((%q):match(%q, -5)) for i = 1, l.n do l[i] = tostring(l[i]) end return table.concat(l, ',') .. #%q .. #%q",
  }
  local s = model("local ok, y = pcall(assert(load(text))) y = ok and y or tostring(y):gsub('^.-:%d+: ', '') error(y, 0)")
  math.randomseed(7)
  t.eq({ s:call("f", "assert(('a\\0b'):find('\\0', 1) == 2 and ('a\\0b'):match('[\\0]b$') == '\\0b') error('so')") and 1 or 2 }, { 2 })
  for _ = 1, 600 do
    local p = {}
    for i = 1, math.random(5) do p[i] = pieces[math.random(#pieces)] end
    local text, pattern = texts[math.random(#texts)], table.concat(p)
    local call = calls[math.random(#calls)]:format(text, pattern, text, pattern)
    local _, got = s:call("f", call)
    local want = outcome(call)
    if want:match("[Pp]attern") or want:match("capture") then want, got = "an error", got:match("[Pp]attern") or got:match("capture") and "an error" end
    if want == "an error" then t.ok(got, call)
    else t.eq(got, want, call) end
  end
end)

t.test("a chunk that is no model is refused", function()
  local function refused(source, code, pattern)
    local s, message, c = open(source)
    t.eq({ s, c }, { nil, code })
    t.match(message, pattern)
  end
  refused("return +", "syntax", "model.lua:1:")
  refused("return 5", "error", "must return a table")
  refused("error('at once', 0)", "error", "at once")
  refused(string.dump(function() end), "syntax", "binary chunk")
  t.raises(function() erlua.restricted { name = "@x" } end, "'source' and 'name' are needed")
  t.raises(function() open("return {}", { seconds = -1 }) end, "'seconds' must be a number above 0")
  local s = model("")
  s:close()
  t.raises(function() s:call("f", "") end, "was closed")
end)

t.test("random numbers are the same in every state, and of the seed", function()
  local function draw(seed)
    local _, message = model("error(('%.17g %d %.9g'):format(math.random(), math.random(1000000), erlua.tensor.randn(1):item()), 0)", nil,
      { seed = seed }):call("f", "")
    return message
  end
  t.eq(draw(1), draw(1))
  t.ok(draw(1) ~= draw(2))
end)

t.test("what it loads is counted, and comes from the artifact's folder alone", function()
  local dir = t.tmpdir()
  t.write(dir .. "/in/other", "no checkpoint")
  assert(erlua.safetensors.save(dir .. "/in/c", { w = T.ones(3, 4), bias = T.zeros(2, { dtype = "u8" }) }, { key = "value" }))
  assert(erlua.safetensors.save(dir .. "/outside", { w = T.ones(1) }))
  os.execute("cd " .. dir .. "/in && ln -s ../outside link && mkfifo fifo && mkdir folder")
  local s = model("local d, m = erlua.safetensors.load(text) if not d then return d, m end assert(d.w:sum():item() == 12 and m.key == 'value')",
    nil, { folder = dir .. "/in" })
  for _, name in ipairs { "../outside", dir .. "/outside", "link", "fifo", "folder", ".", "", "absent", "other" } do
    t.eq(select(3, s:call("f", name)), "error", name)
  end
  t.eq({ s:used().numbers, s:used().text }, { 0, 0 })
  for _ = 1, 2 do t.eq({ s:call("f", "c") }, { true }) end
  t.eq({ s:used().numbers, s:used().text }, { 14, (("<I8"):unpack(t.read(dir .. "/in/c"))) })
end)

t.test("the metatables of tensors and strings are sealed, and a finalizer is refused", function()
  t.eq({ model("assert(getmetatable('') == false and getmetatable(erlua.tensor.zeros(1)) == false and getmetatable(erlua.tensor.scope()) == false)")
    :call("f", "") }, { true })
  t.match(select(2, model("setmetatable({}, { __gc = print })"):call("f", "")), "no finalizers")
  t.match(select(2, model("load('return 1', 'x', 'b')"):call("f", "")), "no bytecode")
  t.match(select(2, model("assert(load('\\27Lua'))"):call("f", "")), "binary chunk")
  t.eq({ model("assert(load('return ...', 'x', 't')(3) == 3 and load('return y', 'x', 'bt', { y = 4 })() == 4)"):call("f", "") }, { true })
end)

t.test("losses are those of a softmax in f64", function()
  local x = { { { 1, 2, 3, 4, 5 }, { 0, 0, 0, 0, 0 } }, { { 1000, -1000, 3, 500, 999 }, { -1e30, 1e30, 0, 1, 2 } } }
  local targets = { { 4, 2 }, { 4, 1 } }
  local got = restricted.losses(T.tensor(x, { dtype = "f32" }), T.tensor(targets)):tolist()
  for b, rows in ipairs(x) do
    for i, row in ipairs(rows) do
      local most, sum = math.max(table.unpack(row)), 0
      for _, v in ipairs(row) do sum = sum + math.exp(v - most) end
      t.near(got[b][i], math.log(sum) + (most - row[targets[b][i] + 1]), 1e-13)
    end
  end
  for v = 1, 8 do                             -- the lowest floats, in rows that are no multiple of anything
    local low = T.full({ 1, 1, v }, -3.4028234e38)
    t.near(restricted.losses(low, T.tensor { { 0 } }):sum(), math.log(v), 1e-13)
  end
  t.raises(function() restricted.losses(T.zeros(1, 1, 5), T.tensor { { 5 } }) end, "not in the vocabulary")
  t.raises(function() restricted.losses(T.zeros(1, 2, 5), T.tensor { { 1 } }) end, "one target for each position")
  t.raises(function() restricted.losses(T.zeros(2, 5), T.tensor { { 1 } }) end, "logits are floats of")
end)

t.test("a model's losses are those of its logits, whatever floats and strides it has, and nothing else comes out", function()
  local ids, targets = T.tensor { { 1, 2, 3 }, { 4, 5, 6 } }, T.tensor { { 1, 0, 3 }, { 7, 5, 6 } }
  for _, logits in ipairs { "return ids:one_hot(8):to('f32') * 3", "return ids:one_hot(8):to('bf16') * 3",
    "return (ids:one_hot(8):to('f32') * 3):transpose(1, 3):contiguous():transpose(1, 3)" } do
    local want = restricted.losses(ids:one_hot(8):to("f32") * 3, targets):tolist()
    t.eq(assert(model("", logits):losses(ids, targets, 8)):tolist(), want)
  end
  t.eq(targets:tolist(), { { 1, 0, 3 }, { 7, 5, 6 } })
  t.raises(function() model(""):losses(ids, T.tensor { { 1, 2, 3 } }, 8) end, "one target for each position")
  t.raises(function() model(""):losses(ids, targets, 7) end, "not in the vocabulary")
  t.raises(function() model(""):losses(ids, targets, 0) end, "at least one token")
end)

t.test("losses of logits that are no logits are refused as these are", function()
  local ids = T.tensor { { 1, 2 } }
  for _, logits in ipairs { "return ids:one_hot(9):to('f32')", "return 5", "return ids:one_hot(8):to('f32') / 0", "error('no')",
    "local y = ids:one_hot(8):to('f32') y[{1, 2, 5}] = -math.huge return y", "local y = ids:one_hot(8):to('f32') y[{1, 2, 8}] = 0/0 return y" } do
    local _, message, code = model("", logits):logits(ids, 8)
    t.eq({ model("", logits):losses(ids, ids, 8) }, { nil, message, code })
  end
end)

t.test("losses are summed, taken by window and compared", function()
  local function losses(...) return restricted.losses(T.tensor({ ... }, { dtype = "f32" }), T.zeros(select("#", ...), 3, { dtype = "i32" })) end
  local a = losses({ { 0, 0 }, { 1, 0 }, { 2, 0 } }, { { 3, 0 }, { 4, 0 }, { 5, 0 } })
  local b = losses({ { 0, 0 }, { 1, 0 }, { 9, 0 } }, { { 3, 0 }, { 0, 4 }, { 5, 0 } })
  local x, y = a:tolist(), b:tolist()
  t.near(a:sum(), x[1][1] + x[1][2] + x[1][3] + x[2][1] + x[2][2] + x[2][3], 1e-15)
  t.eq(a:window(2):tolist(), { x[2] })
  local function changes(first, last, far)
    local sum, above = a:changes(b, far, first, last)
    return { sum, above }
  end
  t.eq(changes(1, 1, 0), { 0.0, 0 })
  t.eq(changes(2, 2, 4), { math.abs(x[2][2] - y[2][2]), 0 })
  t.eq(changes(1, 3, 0.01), { math.abs(x[1][3] - y[1][3]) + math.abs(x[2][2] - y[2][2]), 2 })
  for _, bad in ipairs { { 0, 1 }, { 2, 1 }, { 1, 4 } } do t.raises(function() changes(bad[1], bad[2], 0) end, "no such place") end
  t.raises(function() a:changes(b:window(1), 0, 1, 3) end, "other windows")
  t.raises(function() a:window(3) end, "no such place")
end)

t.test("a seed follows from all of its texts", function()
  t.eq(restricted.seed("a", "b"), restricted.seed("a", "b"))
  t.ok(restricted.seed("a", "b") ~= restricted.seed("ab", ""))
  t.eq(math.type(restricted.seed("x")), "integer")
end)

return t
