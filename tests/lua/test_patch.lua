-- erlua.core.patch: the binding's values, errors and memory.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local patch = require("erlua.core.patch")

local RULES = { editable = { "*.lua" }, frozen = { "keep.lua" } }

t.test("changes hold new bytes, and false for a deleted file", function()
  local files = { ["a.lua"] = "1\n2\n", ["b.lua"] = "x\n" }
  local diff, added, removed = patch.diff(files, { ["a.lua"] = "1\nzwei\n", ["c.lua"] = "neu" })
  t.eq({ added, removed }, { 2, 2 })
  local changes, blocks = patch.apply(files, RULES, diff)
  t.eq(changes, { ["a.lua"] = "1\nzwei\n", ["b.lua"] = false, ["c.lua"] = "neu" })
  t.eq(#blocks, 3)
  t.eq(blocks[1], { form = "udiff", path = "a.lua", rung = "exact", line = 1, similarity = 1.0 })
  t.eq(files["a.lua"], "1\n2\n", "the files given")
end)

t.test("a refusal is nil, a message, a code and the blocks seen", function()
  local changes, message, code, blocks = patch.apply({ ["keep.lua"] = "1\n" }, RULES, "keep.lua\n```\n2\n```\n")
  t.eq({ changes, code }, { nil, "frozen" })
  t.match(message, "keep%.lua")
  t.eq(blocks[1].path, "keep.lua")
end)

t.test("NUL bytes pass through a diff unchanged where they are only quoted", function()
  t.match(patch.diff({ a = "x\0" }, { a = "y\0" }), "Binary files a/a and b/a differ")
end)

t.test("equal trees have no diff", function()
  t.eq({ patch.diff({ a = "x" }, { a = "x" }) }, { "", 0, 0 })
end)

t.test("regions are checked", function()
  local rules = { editable = { "*.lua" }, region = "R" }
  t.eq(patch.check({ ["a.lua"] = "-- R-START\n-- R-END\n" }, rules), true)
  local ok, message, code = patch.check({ ["a.lua"] = "-- R-START\n" }, rules)
  t.eq({ ok, code }, { nil, "region_marker" })
  t.match(message, "a%.lua:1")
end)

t.test("changes are written all or not at all", function()
  local dir = t.tmpdir()
  t.write(dir .. "/a", "old")
  t.eq(patch.write(dir, { a = "new", ["b/c"] = "made" }), true)
  t.eq({ t.read(dir .. "/a"), t.read(dir .. "/b/c") }, { "new", "made" })
  local ok, message, code = patch.write(dir, { a = "newer", ["../out"] = "x" })
  t.eq({ ok, code }, { nil, "bad_path" })
  t.match(message, "out")
  t.eq(patch.write(dir, { a = false }), true)
  t.eq(t.read(dir .. "/a"), nil)
end)

t.test("wrong arguments raise", function()
  for _, call in ipairs {
    function() patch.apply("x", RULES, "") end, function() patch.apply({}, {}, "") end, function() patch.apply({}, RULES, nil) end,
    function() patch.apply({ [1] = "x" }, RULES, "") end, function() patch.apply({ a = 1 }, RULES, "") end,
    function() patch.apply({ ["a\0b"] = "" }, RULES, "") end, function() patch.apply({}, { editable = "x" }, "") end,
    function() patch.apply({}, { editable = { 1 } }, "") end, function() patch.apply({}, { editable = {}, region = 1 }, "") end,
    function() patch.diff({}) end, function() patch.write("/tmp", { a = true }) end, function() patch.write("/tmp", { a = 1 }) end,
  } do t.raises(call, "bad argument") end
end)

t.test("many calls leave no memory behind", function()
  local files = { ["a.lua"] = ("line\n"):rep(2000) .. "end\n" }
  local reply = "<<<<<<< SEARCH\nend\n=======\nEND\n>>>>>>> REPLACE\n"
  local function work()
    for _ = 1, 50 do
      patch.apply(files, RULES, reply)
      patch.apply(files, RULES, "<<<<<<< SEARCH\nnope\n=======\nEND\n>>>>>>> REPLACE\n")
      pcall(patch.write, "/tmp", { a = "x", b = 1 })
    end
    collectgarbage()
    collectgarbage()
    return collectgarbage("count")
  end
  work()
  local before = work()
  t.ok(work() < before + 100)
end)

return t
