-- The restricted state: Lua that can compute and do nothing else, within bounds.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local box = require("erlua.core.box")

local MB = 2 ^ 20

local function new(source, memory, steps) return box.new(source, "@sample.lua", memory and math.tointeger(memory), steps) end

t.test("a chunk's value comes out as a copy", function()
  local b = assert(new [[return { 1, 2.5, "x\0y", true, { deep = { nil, 3 } }, f = function() end }]])
  t.eq(b:value(), { 1, 2.5, "x\0y", true, { deep = { nil, 3 } }, f = "function" })
  t.ok(b:value() ~= b:value(), "a new copy each time")
  t.eq(assert(new "return 5"):value(), 5)
  t.eq(assert(new ""):value(), nil)
end)

t.test("a function of the value is called with a copy and gives a copy", function()
  local b = assert(new [[local n = 0 return { f = function(a) n = n + 1 a.x = a.x + n return a end, g = function() return nil end }]])
  local given = { x = 10 }
  t.eq(b:call("f", given), { x = 11 })
  t.eq(b:call("f", given), { x = 12 }, "its own variables live on")
  t.eq(given, { x = 10 })
  t.eq(table.pack(b:call("g", 1)), { n = 1 })
  t.eq(assert(new "return function(x) return x * 2 end"):call(nil, 21), 42)
end)

t.test("errors are values with a place", function()
  local v, message, code = new "return +"
  t.eq({ v, code }, { nil, "syntax" })
  t.match(message, "sample.lua:1:")
  v, message, code = new "local x = nil\nreturn x.y"
  t.eq({ v, code }, { nil, "error" })
  t.match(message, "sample.lua:2: attempt to index")
  local b = assert(new "return { f = function() error('own', 0) end, t = function() error({}) end }")
  t.eq({ b:call("f", 1) }, { nil, "own", "error" })
  t.eq({ b:call("t", 1) }, { nil, "an error that is no string", "error" })
  t.match(select(2, b:call("missing", 1)), "attempt to call a nil value")
  t.match(select(2, assert(new "return 5"):call("f", 1)), "attempt to call a number")
  t.eq(b:call("f", 1), nil, "and it can be called again")
end)

t.test("there are no files, processes, modules, clocks, random numbers or code loaders in it", function()
  local b = assert(new [[
    local found = {}
    for _, name in ipairs { "io", "os", "require", "package", "debug", "dofile", "loadfile", "load", "loadstring", "collectgarbage",
      "print", "warn", "coroutine", "erlua", "arg" } do
      if _G[name] ~= nil then found[#found + 1] = name end
    end
    for t, names in pairs { [string] = { "dump" }, [math] = { "random", "randomseed" } } do
      for _, n in ipairs(names) do if t[n] ~= nil then found[#found + 1] = n end end
    end
    return found]])
  t.eq(b:value(), {})
end)

t.test("binary chunks are refused", function()
  local v, message, code = new(string.dump(function() return 1 end))
  t.eq({ v, code }, { nil, "syntax" })
  t.match(message, "binary chunk")
end)

t.test("an endless loop ends, also one that catches its own end", function()
  for _, body in ipairs {
    "while true do end", "repeat until false", "local function f() return f() end f()", "for i = 1, math.huge do end",
    "while true do pcall(function() while true do end end) end",
    "while true do xpcall(function() while true do end end, function() while true do end end) end",
    "local function f() while true do pcall(f) end end f()",
    "local t = setmetatable({}, { __index = function(t, k) while true do end end }) while true do pcall(function() return t.x end) end",
    "while true do local c <close> = setmetatable({}, { __close = function() while true do end end }) pcall(error) end",
  } do
    local v, message, code = new(body, 16 * MB, 1000000)
    t.eq({ v, code }, { nil, "error" }, body)
    t.ok(message, body)
    local b = assert(new("return { f = function() " .. body .. " end, g = function() return 7 end }", 16 * MB, 1000000))
    t.eq(b:call("f"), nil, body)
    t.eq(b:call("g"), 7, "the next call has its own steps")
  end
end)

t.test("finalizers, which no step count reaches, are refused", function()
  t.match(select(2, new "setmetatable({}, { __gc = function() while true do end end })"), "__gc")
  t.eq(assert(new "return getmetatable(setmetatable({}, { __index = { x = 1 } })).__index.x"):value(), 1)
  t.match(select(2, new "setmetatable(setmetatable({}, { __metatable = 1 }), {})"), "protected metatable")
end)

t.test("memory is bounded: by tables, strings, closures and the stack", function()
  for _, body in ipairs {
    "local t = {} while true do t[#t + 1] = {} end", "local s = 'x' while true do s = s .. s end", "return ('x'):rep(1e9)",
    "local t = {} for i = 1, 1e9 do t[i] = i end", "local function f() return 1 + f() end f()", "return table.concat({}, 'x', 1, 1e8)",
    "local t = {} while true do local ok = pcall(function() while true do t[#t + 1] = ('x'):rep(1000) .. #t end end) end",
  } do
    local v, message = new(body, 2 * MB, 5000000)
    t.eq(v, nil, body)
    t.ok(#message > 0)
  end
end)

t.test("a chunk that fills its memory to the brim and survives is an error or a value, never a crash", function()
  local fill = [[
    local keep = {}
    local size = 65536
    while size > 8 do
      if not pcall(function() keep[#keep + 1] = ("x"):rep(size) .. #keep end) then size = size // 2 end
    end
  ]]
  for _, tail in ipairs { "return keep[1] ~= nil", "return { keep = #keep, f = function(x) return x end }", "return function(x) return x end" } do
    local b, message = new(fill .. tail, 1 * MB, 50000000)
    if b then
      local big = {}
      for i = 1, 20000 do big[i] = "item " .. i end
      b:value()
      b:call("f", big)
      b:call(nil, big)
      b:call("a name that is not there yet", big)
    else
      t.ok(message:find("memory") or message:find("steps"), message)
    end
  end
end)

t.test("an argument or a result too large for the box is an error, and the box lives on", function()
  local b = assert(new("return { f = function(x) return type(x) end, big = function(n) return ('x'):rep(n) end }", 1 * MB))
  local big = {}
  for i = 1, 200000 do big[i] = i end
  local v, message = b:call("f", big)
  t.eq(v, nil)
  t.match(message, "memory")
  v, message = b:call("f", ("x"):rep(3 * MB // 1))
  t.eq(v, nil)
  t.match(message, "memory")
  t.eq(b:call("f", { 1 }), "table")
  t.eq(#b:call("big", 100000), 100000)
end)

t.test("what is nested too deep, contains itself or cannot be copied is an error", function()
  t.match(select(2, assert(new "local t = {} t.t = t return t"):value()), "nested more than")
  t.match(select(2, assert(new "local t = {} for _ = 1, 100 do t = { t } end return t"):value()), "nested more than")
  local own = {}
  own.own = own
  local b = assert(new "return function(x) return x end")
  t.match(select(2, b:call(nil, own)), "nested more than")
  t.match(select(2, b:call(nil, io.stdout)), "userdata cannot be handed over")
  t.match(select(2, b:call(nil, { coroutine.create(print) })), "thread cannot be handed over")
  t.eq(b:call(nil, { a = { b = { c = 1 } } }), { a = { b = { c = 1 } } })
end)

t.test("no memory at all for it is an error", function()
  for _, memory in ipairs { 1, 1000, 10000, 20000 } do
    local ok, v = pcall(new, "return 1", memory)
    t.ok(not ok or v == nil or v:value() == 1)
  end
end)

t.test("erlua.restricted is the same for scripts", function()
  t.eq(erlua.restricted("return 1 + 1", "=x"):value(), 2)
end)

return t
