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
  local got = restricted.losses(T.tensor(x, { dtype = "f32" }), T.tensor(targets))
  for b, rows in ipairs(x) do
    for i, row in ipairs(rows) do
      local most, sum = math.max(table.unpack(row)), 0
      for _, v in ipairs(row) do sum = sum + math.exp(v - most) end
      t.near(got[b][i], math.log(sum) + (most - row[targets[b][i] + 1]), 1e-13)
    end
  end
  for v = 1, 8 do                             -- the lowest floats, in rows that are no multiple of anything
    local low = T.full({ 1, 1, v }, -3.4028234e38)
    t.near(restricted.losses(low, T.tensor { { 0 } })[1][1], math.log(v), 1e-13)
  end
  t.raises(function() restricted.losses(T.zeros(1, 1, 5), T.tensor { { 5 } }) end, "not in the vocabulary")
  t.raises(function() restricted.losses(T.zeros(1, 2, 5), T.tensor { { 1 } }) end, "logits are a contiguous f32")
end)

t.test("a seed follows from all of its texts", function()
  t.eq(restricted.seed("a", "b"), restricted.seed("a", "b"))
  t.ok(restricted.seed("a", "b") ~= restricted.seed("ab", ""))
  t.eq(math.type(restricted.seed("x")), "integer")
end)

return t
