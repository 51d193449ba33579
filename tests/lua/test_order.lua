-- The same Lua twice: orders, texts and random numbers that do not differ from run to
-- run, and what a strategy may not call.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local engine = dofile(t.source .. "/tests/lib/engine.lua")(t)

local function keys(v, iterate)
  local out = {}
  for k in (iterate or pairs)(v) do out[#out + 1] = k end
  return out
end

local function by_next(v) return next, v end

-- ---- pairs and next ----------------------------------------------------------------

t.test("pairs and next visit numbers ascending, then strings by bytes, then booleans", function()
  local v = { [true] = 1, [false] = 1, b = 1, a = 1, B = 1, ["é"] = 1, [""] = 1, ["a\0b"] = 1, ["ab"] = 1, [10] = 1, [-3] = 1, [2.5] = 1, [1] = 1, [2] = 1,
    [math.huge] = 1, [-math.huge] = 1, [math.maxinteger] = 1, [math.maxinteger - 1] = 1, [math.mininteger] = 1 }
  local want = { -math.huge, math.mininteger, -3, 1, 2, 2.5, 10, math.maxinteger - 1, math.maxinteger, math.huge,
    "", "B", "a", "a\0b", "ab", "b", "é", false, true }
  t.eq(keys(v), want)
  t.eq(keys(v, by_next), want)
end)

t.test("the order does not depend on how the table was made", function()
  local words = {}
  for i = 1, 500 do words[i] = "k" .. i end
  local sorted = table.move(words, 1, #words, 1, {})
  table.sort(sorted)
  for _ = 1, 5 do
    local v = {}
    for i = #words, 1, -1 do
      local j = math.random(i)
      words[i], words[j] = words[j], words[i]
    end
    for _, w in ipairs(words) do v[w] = true end
    for i = 1, 100 do v[i .. "x"] = true end
    for i = 1, 100 do v[i .. "x"] = nil end
    t.eq(keys(v), sorted)
    t.eq(keys(v, by_next), sorted)
  end
end)

t.test("next of an empty table is nil, and next without a key is the first in order", function()
  t.eq({ next({}) }, {})
  t.eq({ next { z = 1, a = 2 } }, { "a", 2 })
  t.eq({ next({ 5, 6 }, 1) }, { 2, 6 })
  t.eq({ next({ 5, 6 }, 2) }, {})
  t.raises(function() next({ 1 }, {}) end, "the key is not in the table")
  t.raises(function() next(5) end, "table expected")
  t.raises(function() pairs(nil) end, "table expected")
end)

t.test("existing keys may be changed and cleared during a traversal", function()
  for _, iterate in ipairs { pairs, by_next } do
    local v, seen = { a = 1, b = 2, c = 3, d = 4, [1] = 5 }, {}
    for k, x in iterate(v) do
      seen[#seen + 1] = k
      v[k] = nil
      if k == "b" then v.c = nil end
      if v.d then v.d = 40 end
    end
    t.eq(seen, { 1, "a", "b", "d" })
    t.eq({ next(v) }, {})
  end
end)

t.test("clearing works with other traversals in between and inside", function()
  local v, seen = {}, {}
  for i = 1, 20 do v["k" .. i], v[i] = i, i end
  for k in next, v do
    seen[#seen + 1] = k
    v[k] = nil
    for _ in next, { x = 1, y = 2 } do end
    for _ in pairs(v) do end
  end
  t.eq(#seen, 40)
  local pairs_seen = 0
  for a in next, { x = 1, y = 2, z = 3 } do for b in next, { x = 1, y = 2 } do pairs_seen = pairs_seen + 1 end end
  t.eq(pairs_seen, 6)
end)

t.test("__pairs is honoured, and raw traversal sees no __index", function()
  local v = setmetatable({ a = 1 }, { __index = { b = 2 } })
  t.eq(keys(v), { "a" })
  t.eq(keys(setmetatable({}, { __pairs = function() return next, { z = 1 } end })), { "z" })
end)

t.test("tasks as keys are visited by their numbers", function()
  local v, order = {}, {}
  for i = 1, 12 do order[i] = erlua.spawn(function() end) end
  for i = 12, 1, -1 do v[order[i]] = i end
  local seen = {}
  for _, i in pairs(v) do seen[#seen + 1] = i end
  t.eq(seen, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 })
  for i = 1, 12 do order[i]:wait() end
end)

-- ---- sort ----------------------------------------------------------------------------

t.test("table.sort is stable, with and without a comparator", function()
  local v = {}
  for i = 1, 1000 do v[i] = { key = (i * 7919) % 13, i = i } end
  table.sort(v, function(a, b) return a.key < b.key end)
  for i = 2, #v do
    t.ok(v[i - 1].key < v[i].key or (v[i - 1].key == v[i].key and v[i - 1].i < v[i].i), "at " .. i)
  end
  local mt = { __lt = function(a, b) return a.key > b.key end }
  for i = 1, 100 do v[i] = setmetatable({ key = i % 3, i = i }, mt) end
  v = table.move(v, 1, 100, 1, {})
  table.sort(v)
  for i = 2, 100 do t.ok(v[i - 1].key > v[i].key or (v[i - 1].key == v[i].key and v[i - 1].i < v[i].i)) end
end)

t.test("table.sort sorts, refuses what cannot be compared, and leaves the table alone on an error", function()
  for n = 0, 40 do
    local v = {}
    for i = 1, n do v[i] = math.random(20) end
    table.sort(v)
    for i = 2, n do t.ok(v[i - 1] <= v[i]) end
  end
  local v = { 3, "x", 1 }
  t.raises(function() table.sort(v) end, "attempt to compare")
  t.eq(v, { 3, "x", 1 })
  local calls = 0
  t.raises(function() table.sort({ 5, 4, 3, 2, 1 }, function() calls = calls + 1 if calls == 3 then error("stop", 0) end end) end, "^stop$")
  v = { 3, 1, 2 }
  table.sort(v, function() return true end)
  t.eq(#v, 3, "an inconsistent comparator is survived")
  t.raises(function() table.sort({}, 5) end, "function expected")
  t.raises(function() table.sort(nil) end, "table expected")
end)

t.test("table.sort honours __index, __newindex and __len of a proxy", function()
  local real = { 3, 1, 2 }
  local proxy = setmetatable({}, { __index = real, __newindex = real, __len = function() return #real end })
  table.sort(proxy)
  t.eq(real, { 1, 2, 3 })
end)

-- ---- texts ------------------------------------------------------------------------------

t.test("tostring, print, format and concatenated errors show no addresses", function()
  local things = { {}, print, function() end, coroutine.create(print), io.stdout, setmetatable({}, { __name = "my.type" }), erlua.spawn(function() end),
    require("erlua.json").null }
  for _, v in ipairs(things) do
    t.no_match(tostring(v), "0x")
    t.no_match(tostring(v), "%x%x%x%x%x%x")
    t.no_match(string.format("%s %10s", v, v), "0x")
    t.no_match(("%s"):format(v), "0x")
  end
  t.eq(tostring {}, "table")
  t.eq(tostring(setmetatable({}, { __name = "my.type" })), "my.type")
  t.eq(tostring(setmetatable({}, { __tostring = function() return "mine" end })), "mine")
  t.raises(function() string.format("%p", {}) end, "address")
  t.raises(function() string.format("%5p", {}) end, "address")
  t.eq(string.format("%%p %d %5.1f %q", 3, 2.25, "a\n"), "%p 3   2.2 \"a\\\n\"")
  t.no_match(tostring(select(2, pcall(error, {}))), "0x")
  erlua.sleep(0)
end)

-- ---- random numbers ------------------------------------------------------------------------

local function program(code, args)
  local file = t.write(t.tmpdir() .. "/p.lua", code)
  return t.run { t.erlua, file, table.unpack(args or {}) }
end

t.test("math.random depends on the task and on nothing else", function()
  local code = [[
    local function draws() return table.concat({ math.random(1000), math.random(1000), string.format("%.6f", math.random()) }, " ") end
    local out = erlua.map({ 3, 1, 2 }, function(n) erlua.sleep(n * tonumber((...) or 0.001)) return draws() end)
    print(table.concat(out, "; "), draws())
  ]]
  code = "local speed = ... " .. code:gsub("tonumber%(%(%.%.%.%) or 0%.001%)", "tonumber(speed)")
  local a, b = program(code, { "0.001" }), program(code, { "0" })
  t.eq({ a.code, a.err }, { 0, "" })
  t.eq(a.out, b.out)
  local first, second, third = a.out:match("(.-); (.-); (.-)\t")
  t.ok(first ~= second and second ~= third and first ~= third, "each task its own")
end)

t.test("math.random keeps to its interval and to what Lua promises", function()
  for _ = 1, 1000 do
    local x = math.random()
    t.ok(x >= 0 and x < 1)
    local n = math.random(-2, 2)
    t.ok(math.type(n) == "integer" and n >= -2 and n <= 2)
  end
  t.eq(math.random(5, 5), 5)
  t.eq(math.type(math.random(math.mininteger, math.maxinteger)), "integer")
  t.eq(math.type(math.random(0)), "integer")
  t.raises(function() math.random(0, -1) end, "interval is empty")
  t.raises(function() math.random(1.5) end, "integer")
  local a = erlua.spawn(function() math.randomseed(42) return math.random(1 << 40) end)
  t.eq({ a:wait() }, { true, select(2, a:wait()) })
end)

-- ---- inside a study ------------------------------------------------------------------------------

-- Runs a strategy's lines with a study open and returns what it printed.
local function strategy(code, extra)
  local dir = t.tmpdir()
  local script = t.write(dir .. "/s.lua", "local study = erlua.study(erlua.options { env = 'x' })\n" .. code)
  local r = engine.run { script, "--env", engine.env, "--study", dir .. "/study", table.unpack(extra or {}) }
  return r, dir .. "/study", script
end

t.test("what cannot be repeated is refused in a strategy with the name of the call to use", function()
  local cases = {
    { "io.popen('true')", "erlua.exec" }, { "os.execute('true')", "erlua.exec" }, { "os.remove('/nonexistent/x')", "erlua.once" },
    { "os.rename('/nonexistent/x', '/nonexistent/y')", "erlua.once" }, { "os.tmpname()", "erlua.once" }, { "io.tmpfile()", "erlua.once" },
    { "io.open('/nonexistent/x', 'w')", "erlua.once" }, { "io.open('/nonexistent/x', 'a')", "erlua.once" }, { "io.open('/nonexistent/x', 'r+')", "erlua.once" },
    { "io.output('/nonexistent/x')", "erlua.once" }, { "setmetatable({}, { __gc = print })", "<close>" },
    { "setmetatable({}, { __mode = 'k' })", "ordinary table" }, { "collectgarbage('count')", "erlua.once" },
    { "for _ in pairs({ [{}] = 1, [{}] = 2 }) do end", "numbers or strings as keys" },
  }
  local code = {}
  for i, case in ipairs(cases) do
    code[i] = string.format("print(select(2, pcall(function() %s end)))", case[1])
  end
  local r = strategy(table.concat(code, "\n"))
  t.eq(r.code, 0, r.stderr)
  local i = 0
  for line in r.stdout:gmatch("[^\n]+") do
    i = i + 1
    if i < #cases then t.match(line, "refused in a strategy") end
    t.ok(line:find(cases[i][2], 1, true), cases[i][1] .. ": " .. line)
  end
  t.eq(i, #cases)
end)

t.test("all of it is possible inside erlua.once, and before the study is opened", function()
  local dir = t.tmpdir()
  local code = string.format([[
    local got = erlua.once(function()
      local f = assert(io.open(%q, "w"))
      f:write("written")
      f:close()
      os.rename(%q, %q)
      local p = io.popen("echo piped")
      local line = p:read()
      p:close()
      return line, os.execute("true"), collectgarbage("count") > 0, #setmetatable({}, { __gc = function() end, __mode = "k" })
    end)
    print(got)
  ]], dir .. "/a", dir .. "/a", dir .. "/b")
  local r = strategy(code)
  t.eq({ r.code, r.stdout }, { 0, "piped\n" }, r.stderr)
  t.eq(t.read(dir .. "/b"), "written")
  r = program(string.format("io.open(%q, 'w'):close() print(os.remove(%q), collectgarbage('count') > 0)", dir .. "/c", dir .. "/c"))
  t.eq(r.out, "true\ttrue\n")
end)

t.test("the study's own calls are refused inside erlua.once", function()
  local r = strategy [[
    print(select(2, pcall(erlua.once, function() study:baseline() end)))
    print(study:baseline().outcome)
  ]]
  t.eq(r.code, 0, r.stderr)
  t.match(r.stdout, "erlua%.once[^\n]*\nok\n$")
end)

t.test("clocks and the environment are read once: a resumed strategy reads the same", function()
  local code = [[
    print(os.time(), os.clock(), os.date("%Y-%m-%d %H:%M:%S"), os.getenv("ERLUA_TEST_WORD"), string.format("%.9f", erlua.now()))
    print(os.time { year = 2020, month = 1, day = 1, hour = 12 } > 0, pcall(os.date, "%Ez%"))
    study:baseline()
  ]]
  local dir = t.tmpdir()
  local script = t.write(dir .. "/s.lua", "local study = erlua.study(erlua.options { env = 'x' })\nlocal printed = {}\n"
    .. "local function print(...) for _, v in ipairs { ... } do printed[#printed + 1] = tostring(v) end end\n" .. code
    .. "\nerlua.once(function() local f = io.open('" .. dir .. "/said', 'a') f:write(table.concat(printed, '|'), '\\n') f:close() end)\nerlua.sleep(0.01)\n"
    .. "local f = erlua.exec { '/bin/sh', '-c', 'cat >> " .. dir .. "/said', stdin = table.concat(printed, '|') .. '\\n' }\n")
  local args = { script, "--env", engine.env, "--study", dir .. "/study" }
  local r = engine.run(args, { fault = "commit.after:8", env = { ERLUA_TEST_WORD = "first" } })
  t.eq(r.signal, 9, r.stderr)
  erlua.sleep(1.1)
  r = engine.run(args, { env = { ERLUA_TEST_WORD = "second" } })
  t.eq(r.code, 0, r.stderr)
  local lines = {}
  for line in t.read(dir .. "/said"):gmatch("[^\n]+") do lines[#lines + 1] = line end
  t.ok(#lines >= 2)
  for _, line in ipairs(lines) do t.eq(line, lines[1]) end
  t.match(lines[1], "|first|")
end)

t.test("what a strategy prints is not printed again when it is resumed", function()
  local dir = t.tmpdir()
  local script = t.write(dir .. "/s.lua", [[
    local study = erlua.study(erlua.options { env = "x" })
    print("early") io.write("early\n") io.stdout:write("early\n")
    study:baseline()
    erlua.sleep(0.001)
    print("late") io.write("late\n") io.stdout:write("late\n")
  ]])
  local args = { script, "--env", engine.env, "--study", dir .. "/study" }
  local r = engine.run(args, { fault = "commit.after:5" })
  t.eq({ r.signal, r.stdout }, { 9, "early\nearly\nearly\n" }, r.stderr)
  r = engine.run(args)
  t.eq({ r.code, r.stdout }, { 0, "late\nlate\nlate\n" }, r.stderr)
end)

t.test("a recorded failure is raised again when the strategy is resumed", function()
  local dir = t.tmpdir()
  local script = t.write(dir .. "/s.lua", [[
    local study = erlua.study(erlua.options { env = "x" })
    local core = require("erlua.core.task")
    local marker = ...
    local ok, e = pcall(core.record, "sample", "[]", function() error("no such model", 0) end)
    local ok2, e2 = pcall(erlua.once, function() error("no such host", 0) end)
    study:baseline()
    erlua.exec { "/bin/sh", "-c", "cat >> ]] .. dir .. [[/said", stdin = tostring(ok) .. " " .. tostring(e) .. " " .. tostring(ok2) .. " " .. tostring(e2) .. "\n" }
  ]])
  local args = { script, "--env", engine.env, "--study", dir .. "/study" }
  local r = engine.run(args, { fault = "commit.after:6" })
  t.eq(r.signal, 9, r.stderr)
  r = engine.run(args)
  t.eq(r.code, 0, r.stderr)
  t.match(t.read(dir .. "/said"), "^false no such model false no such host\n")
  r = engine.run { "replay", dir .. "/study" }
  t.eq({ r.code, r.stderr }, { 0, "" }, r.stderr)
end)

t.test("a cancelled task whose handlers were forced to end comes out the same in replay", function()
  local r, dir = strategy [[
    study:baseline()
    local stuck = erlua.spawn(function()
      local a <close> = setmetatable({}, { __close = function() erlua.sleep(6) end })
      erlua.sleep(60)
    end)
    erlua.sleep(0.001)
    stuck:cancel()
    local ok, e = stuck:wait()
    erlua.once(function() return e end)
    for _, idea in ipairs(study:propose { n = 2 }) do study:trial(idea) end
  ]]
  t.eq(r.code, 0, r.stderr)
  t.eq(engine.sql(dir, "SELECT count(*) FROM effects WHERE kind = 'expired'"), "1")
  r = engine.run { "replay", dir }
  t.eq({ r.code, r.stderr }, { 0, "" }, r.stderr)
end)

t.test("os.exit in a strategy commits what was done and leaves its jobs to the next engine", function()
  local r, dir, script = strategy([[
    study:baseline()
    erlua.map(study:propose { n = 4 }, function(idea)
      study:trial(idea)
      erlua.sleep(0)
      if erlua.once(function() return os.getenv("ERLUA_TEST_STOP") end) then os.exit(4) end
    end)
  ]])
  t.eq(r.code, 0, r.stderr)
  dir = t.tmpdir() .. "/study"
  local args = { script, "--env", engine.env, "--study", dir }
  r = engine.run(args, { env = { ERLUA_TEST_STOP = "1" } })
  t.eq({ r.code, r.stderr:find("UNIQUE") }, { 4 }, r.stderr)
  t.eq(engine.sql(dir, "SELECT count(*) FROM trials WHERE outcome NOT IN ('ok')"), "0")
  r = engine.run { "replay", dir }
  t.ok(r.code == 0 or r.code == 4, r.stderr)
end)

return t
