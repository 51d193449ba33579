-- Values as the prompt and the messages show them.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local show = require("erlua.show")

t.test("a small table is one line with sorted keys", function()
  t.eq(show.value { b = 1, a = "x", 10, 20, [true] = false, [2.5] = 0 }, '{ 10, 20, [2.5] = 0, a = "x", b = 1, [true] = false }')
  t.eq(show.value {}, "{}")
end)

t.test("a table that does not fit is indented", function()
  local v = { first = ("x"):rep(40), second = ("y"):rep(40) }
  t.eq(show.value(v), '{\n  first = "' .. v.first .. '",\n  second = "' .. v.second .. '"\n}')
end)

t.test("the same value reads the same, whatever the order it was made in", function()
  local a, b = {}, {}
  for i = 1, 50 do a["k" .. i] = i end
  for i = 50, 1, -1 do b["k" .. i] = i end
  t.eq(show.value(a), show.value(b))
end)

t.test("a long list is cut and says by how much", function()
  local list = {}
  for i = 1, 113 do list[i] = i end
  t.match(show.value(list), "… 93 more")
  t.no_match(show.value(list), "21,")
  t.match(show.value(list, { items = 3 }), "^{ 1, 2, 3, … 110 more }$")
end)

t.test("short items of a list share lines", function()
  local list = {}
  for i = 1, 20 do list[i] = i * 100000 end
  local lines = select(2, show.value(list):gsub("\n", ""))
  t.ok(lines < 8, "20 numbers on " .. lines .. " lines")
end)

t.test("a cycle is named and ends", function()
  local a = { name = "a" }
  a.self = a
  t.eq(show.value(a), '{ name = "a", self = <cycle> }')
end)

t.test("a table that is shared many times over is cut, not printed for ever", function()
  local v = { 1 }
  for _ = 1, 30 do v = { v, v, v, v } end
  t.ok(#show.value(v, { depth = 40 }) < 1e6)
end)

t.test("depth is bounded", function()
  t.match(show.value { { { { { { { { 1 } } } } } } } }, "{…}")
end)

t.test("strings inside tables are quoted so that they read back", function()
  t.eq(show.value { 'a"b\\\n\t\0\27' }, '{ "a\\"b\\\\\\n\\t\\x00\\x1b" }')
  t.eq(show.value { "é" }, '{ "é" }')
  local bad = "\xff\xc3"
  t.eq(load("return " .. show.value(bad))(), bad)
  t.eq(load("return " .. show.value("a\0001\n2é"))(), "a\0001\n2é")
end)

t.test("very long strings are cut and say by how much", function()
  t.match(show.value(("x"):rep(3000)), '" … 1000 more bytes$')
end)

t.test("no address is shown", function()
  local all = show.value { f = print, g = t.test, co = coroutine.create(print), io = io.stdout, [{}] = 1 }
  t.no_match(all, "0x")
  t.match(all, "function %(built in%)")
  t.match(all, "function %(tap%.lua:%d+%)")
  t.match(all, "<thread>")
end)

t.test("an object is shown by its own __tostring", function()
  local trial = setmetatable({ id = 3 }, { __tostring = function(self) return "trial " .. self.id end })
  t.eq(show.value { trial }, "{ trial 3 }")
end)

t.test("an object whose __tostring fails does not hide the rest", function()
  local broken = setmetatable({}, { __tostring = function() error("no") end, __name = "broken" })
  t.match(show.value { 1, broken, 2 }, "^{%s+1,%s+<broken: __tostring failed: .*>,%s+2%s+}$")
end)

t.test("fields are read raw: showing a value runs no __index, __len or __pairs", function()
  local v = setmetatable({ 1, a = 2 }, {
    __index = function() error("index") end, __len = function() error("len") end, __pairs = function() error("pairs") end,
  })
  t.eq(show.value(v), "{ 1, a = 2 }")
end)

t.test("a lone string of printable text stands without quotes", function()
  t.eq(show.results(nil, 1, "two\nlines"), "two\nlines")
  t.eq(show.results(nil, 1, "\27[31m"), '"\\x1b[31m"')
  t.eq(show.results(nil, 1, "\xff"), '"\\xff"')
end)

t.test("several results stand side by side, nil included", function()
  t.eq(show.results(nil, 3, nil, 1, "x"), "nil\t1\tx")
  t.eq(show.results(nil, 0), "")
end)

return t
