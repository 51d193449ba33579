-- The test runner itself: a failure must be seen, and nothing may pass by accident.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")

local HEAD = 'local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")\n'

local function run(body, head)
  local file = t.write(t.tmpdir() .. "/test_sample.lua", (head or HEAD) .. body)
  return t.run({ t.erlua, t.source .. "/tests/run.lua", file }, { timeout = 300 })
end

t.test("passing, failing and skipped tests are counted and a failure is exit 1", function()
  local r = run([[
    t.test("one holds", function() t.eq(1, 1) end)
    t.test("two does not", function() t.eq({ a = { 1, 2 } }, { a = { 1, 3 } }) end)
    t.test("three is skipped", function() t.skip("no such device") end)
    t.test("four raises", function() error("boom") end)
    return t]])
  t.eq(r.code, 1)
  t.match(r.out, "ok 1 %- one holds\n")
  t.match(r.out, "not ok 2 %- two does not\n  # test_sample%.lua:3: value%.a%[2%]: got 2, want 3\n")
  t.match(r.out, "ok 3 %- three is skipped # SKIP no such device\n")
  t.match(r.out, "not ok 4 %- four raises\n  # [^\n]*boom")
  t.match(r.out, "1 passed, 2 failed, 1 skipped\n$")
end)

t.test("all passing is exit 0", function()
  local r = run('t.test("one", function() t.ok(true) end) return t')
  t.eq({ r.code, r.out }, { 0, "TAP version 13\nok 1 - one\n1..1\n1 passed, 0 failed, 0 skipped\n" })
end)

t.test("a file that does not load, or holds no test, fails", function()
  for _, body in ipairs { "this is no Lua", "error('at load')", "return t", "" } do
    local r = run(body)
    t.eq(r.code, 1, body)
    t.match(r.out, "0 passed, 1 failed, 0 skipped\n$")
  end
end)

t.test("a task that a test leaves behind fails it", function()
  local r = run('t.test("forgets", function() erlua.spawn(function() erlua.sleep(100) end) erlua.sleep(0) end) return t')
  t.match(r.out, "not ok 1 %- forgets\n  # 1 task")
  t.eq(r.code, 1)
end)

t.test("every assertion can fail", function()
  local r = run([[
    local cases = { function() t.ok(nil) end, function() t.ok(false) end, function() t.eq(1, 2) end, function() t.eq({}, { 1 }) end,
      function() t.eq({ 1 }, {}) end, function() t.eq("a\nb", "a\nc") end, function() t.near(1, 1.1) end, function() t.near(0 / 0, 1) end,
      function() t.near(nil, 1) end, function() t.match("abc", "x") end, function() t.match(nil, "x") end, function() t.no_match("abc", "b") end,
      function() t.raises(function() end) end, function() t.raises(function() error("a", 0) end, "b") end, function() t.eq(nil, false) end,
      function() t.eq("1", 1) end }
    for i, fn in ipairs(cases) do t.test("case " .. i, fn) end
    return t]])
  t.match(r.out, "0 passed, 16 failed, 0 skipped\n$")
end)

t.test("a program is run with its input, environment and folder, and its code is told", function()
  local r = t.run({ "sh", "-c", "cat; echo \"$X\" >&2; pwd; exit 3" }, { stdin = "a\0b", env = { X = "it's" }, cwd = "/" })
  t.eq(r, { code = 3, out = "a\0b/\n", err = "it's\n" })
  t.eq(t.run({ "sh", "-c", "kill -9 $$" }).code, 137)
  t.eq(t.run({ "sleep", "60" }, { timeout = 0.1 }).code, 124)
  t.eq(t.run({ "sh", "-c", "echo ${GONE-unset}" }, { env = { GONE = false } }).out, "unset\n")
end)

t.test("without files the usage is printed and the code is 2", function()
  local r = t.run({ t.erlua, t.source .. "/tests/run.lua" })
  t.eq(r.code, 2)
  t.match(r.err, "usage")
end)

return t
