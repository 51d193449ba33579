-- builtin:mutate: its edits change what they may, keep programs programs, and follow their parents.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local diff = require("erlua.llm.mutate_diff")
local lex = require("erlua.llm.mutate_lex")
local mutate = require("erlua.llm.mutate")
local ops = require("erlua.llm.mutate_ops")
local views = require("erlua.llm.mutate_lines")

local PACK = t.read(t.source .. "/envs/circle_packing/pack.lua")

-- A generator of its own (Lehmer), so that the tests draw the same on every machine.
local function generator(seed)
  local state, rng = seed * 2654435761 % 2147483647 + 1, {}
  function rng:unit()
    state = state * 48271 % 2147483647
    return (state - 1) / 2147483646 * 0.9999999
  end
  function rng:int(n) return math.floor(self:unit() * n) + 1 end
  function rng:normal()
    return math.sqrt(-2 * math.log(1 - self:unit())) * math.cos(2 * math.pi * self:unit())
  end
  return rng
end

local function new(files, seed, region)
  return mutate.new { files = files, region = region, random = generator(seed or 1) }
end

local function view_of(text, path) return views.reader(nil, { "small" })(path or "a.lua", views.split(text)) end

local function numbers(path, text)
  local found = {}
  for i, info in ipairs(view_of(text, path).info) do
    for _, token in ipairs(info.numbers) do found[#found + 1] = views.split(text)[i]:sub(token[1], token[2]) end
  end
  return table.concat(found, " ")
end

local function operators(path, text)
  local found = {}
  for _, info in ipairs(view_of(text, path).info) do
    for _, token in ipairs(info.ops) do found[#found + 1] = token[3] end
  end
  return table.concat(found, " ")
end

-- Every result of `n` draws of one edit, each once, sorted.
local function results(edit, text, n, path)
  local seen, list, random = {}, {}, generator(7)
  local view = view_of(text, path)
  for _ = 1, n do
    local lines = ops[edit](view, random, 1)
    local result = lines and table.concat(lines, "\n")
    if result and not seen[result] then
      seen[result] = true
      list[#list + 1] = result
    end
  end
  table.sort(list)
  return list
end

t.test("numbers are found, and those in names, strings, comments and other bases are not", function()
  t.eq(numbers("a.lua", "x1 = 1.5e-3 + a[2] - .5 -- 4\ny = '6' .. [[7\n8]] + 9 --[[ 10\n11 ]] z = 12 + 0x13"), "1.5e-3 2 .5 9 12")
  t.eq(numbers("a.py", "x = 1_000 + 2.5 # 3\ny = '''4\n5''' + 6 if v1.2 else 7j"), "2.5 6 7")
  t.eq(numbers("a.c", "#include <a1.h>\n#define N 2\nfloat x = 3.0f; /* 4\n5 */ y = 6; // 7"), "2 3.0 6")
  t.eq(numbers("a.yaml", "lr: 1e-3 # 4\nversion: 1.2.3"), "1e-3")
end)

t.test("a digit that is a whole argument says which one, and is seldom changed", function()
  local line = view_of("y = x:view(2, -1):f(3.5, 10) + g(7 * x, 4)").info[1]
  local index = {}
  for i, token in ipairs(line.numbers) do index[i] = token.index end
  t.eq(index, { true, true, false, false, false, true })
  for _, line in ipairs { "1, 2", " 3)", "   -4,", "" } do
    for _, token in ipairs(view_of(line).info[1].numbers) do t.ok(not token.index or line == "1, 2", line) end
  end
end)

t.test("operators are found where they have two sides", function()
  t.eq(operators("a.lua", "if -x < y * 2 and not (a ~= -b) then return -1 end -- a + b"), "< * and ~=")
  t.eq(operators("a.py", "def f(*a, **k) -> int: x += a ** 2 - b"), "+= -")
  t.eq(operators("a.c", "int *p = a * b - c->d;"), "* -")
end)

t.test("a whole number stays whole and another number stays another", function()
  for _, text in ipairs(results("number", "return 8", 200)) do t.match(text, "^return %d+$") end
  for _, text in ipairs(results("number", "return 0", 200)) do t.match(text, "^return [12]$") end
  for _, text in ipairs(results("number", "return 0.5", 200)) do t.match(text, "^return %d[%d.e-]*[%.e][%d-]+$") end
  t.ok(#results("number", "return 0.0", 50) > 10)
end)

t.test("a sign is never joined to another one", function()
  for _, text in ipairs(results("number", "return x -0.0", 100)) do t.no_match(text, "%-%-") end
end)

t.test("statements are deleted, repeated and swapped whole", function()
  local text = "a = 1\nif a then\n  b = 2\nend\nc = f(\n  3)\n"
  t.eq(results("delete", text, 200), { "a = 1\nc = f(\n  3)\n", "a = 1\nif a then\n  b = 2\nend\n",
    "a = 1\nif a then\nend\nc = f(\n  3)\n", "if a then\n  b = 2\nend\nc = f(\n  3)\n" })
  t.eq(results("swap", "a = 1\n-- note\nb = 2\n", 50), { "b = 2\n-- note\na = 1\n" })
  t.eq(results("duplicate", "for i = 1, 2 do\n  f(i)\nend", 50), { "for i = 1, 2 do\n  f(i)\n  f(i)\nend",
    "for i = 1, 2 do\n  f(i)\nend\nfor i = 1, 2 do\n  f(i)\nend" })
end)

t.test("a statement takes another's place at its own indentation", function()
  t.eq(results("replace", "do\n  a()\nend\nb()", 200), { "b()\nb()", "do\n  a()\nend\na()", "do\n  a()\nend\ndo\n  a()\nend",
    "do\n  b()\nend\nb()" })
end)

t.test("Python's statements go by indentation, with their else", function()
  local text = "if a:\n    b()\n\n    c()\nelse:\n    d()\ne()\n"
  local found = results("delete", text, 300, "a.py")
  t.eq(found[1], "e()\n")
  t.eq(#found, 5)
end)

t.test("hunks put a version together again", function()
  local random = generator(3)
  for _ = 1, 500 do
    local a, b = {}, {}
    for i = 1, random:int(12) do a[i] = string.char(96 + random:int(4)) end
    for _, line in ipairs(a) do
      if random:unit() < 0.8 then b[#b + 1] = line end
      if random:unit() < 0.2 then b[#b + 1] = "x" end
    end
    t.eq(table.concat(diff.apply(a, diff.diff(a, b))), table.concat(b))
  end
end)

t.test("every proposal compiles, differs from the pristine program and comes in words", function()
  local m = new({ ["pack.lua"] = PACK })
  for _ = 1, 300 do
    local idea = m:propose { prompt = "first", parents = {} }
    local text = idea.files["pack.lua"]
    t.ok(text ~= PACK)
    t.ok(load(text, "=pack.lua", "t", {}))
    t.match(idea.text, "pack%.lua")
    t.no_match(idea.text, "%c")
    t.eq(idea.parents, {})
  end
end)

t.test("the same draws give the same ideas, however many came before on another mutator", function()
  local function ideas(m)
    local parents, words = {}, {}
    for i = 1, 200 do
      local idea = m:propose { prompt = i % 3 == 0 and "explore" or "exploit", parents = parents }
      parents[#parents % 40 + 1] = { id = i, files = idea.files, reward = i % 7 }
      words[i] = idea.text .. idea.files["pack.lua"]
    end
    return words
  end
  local used = new({ ["pack.lua"] = PACK }, 2)
  ideas(used)
  used.random = generator(5)
  t.eq(ideas(used), ideas(new({ ["pack.lua"] = PACK }, 5)))
end)

t.test("comments and strings keep their numbers and operators", function()
  local text = "local s = 'a 5 < 6'  -- 7 + 8\nlocal n = 9\nreturn s .. n\n"
  local m = new { ["a.lua"] = text }
  for _ = 1, 200 do
    local new_text = m:propose({ prompt = "first" }).files["a.lua"]
    for quoted in new_text:gmatch("'[^']*'") do t.eq(quoted, "'a 5 < 6'") end
    for comment in new_text:gmatch("%-%-[^\n]*") do t.eq(comment, "-- 7 + 8") end
  end
end)

t.test("only the lines of a region change", function()
  local text = "x = 1\n# EVOLVE-START\ny = 2\nz = 3\n# EVOLVE-END\nw = 4\n#EVOLVE-START#\nv = 5\n#EVOLVE-END#\n"
  local m, inside = new({ ["a.py"] = text }, 1, "EVOLVE"), {}
  for _ = 1, 300 do
    local idea = m:propose { prompt = "first" }
    local result = idea.files["a.py"]
    local first, last = result:match("^x = 1\n# EVOLVE%-START\n(.-)# EVOLVE%-END\nw = 4\n#EVOLVE%-START#\n(.-)#EVOLVE%-END#\n$")
    t.ok(first, result)
    if first ~= "y = 2\nz = 3\n" then inside[1] = true end
    if last ~= "v = 5\n" then inside[2] = true end
  end
  t.eq(inside, { true, true })
end)

-- A program with a config table and much else; which of its lines the first idea of many mutators changes.
local CONFIG = [[
local config = {
  -- of the run
  vocab  = 256,            -- fixed by the data
  width  = 64,             -- numbers
  beta   = 0.95,
  shape  = "line",         -- over the run: flat | line | wsd
  deep   = true,
}
local presets = {
  small    = { vocab = 99, width = 96 },
}
]]
for i = 1, 60 do CONFIG = CONFIG .. "f(" .. i + 10 .. ".5)\n" end

-- The lines that one edit each of many made of the program, as text -> how often.
local function config_edits(n, preset)
  local seen, random = {}, generator(5)
  for _ = 1, n do
    local lines = require("erlua.llm.mutate_config").edit(view_of(CONFIG), random, 1, preset)
    for i, line in ipairs(views.split(CONFIG)) do
      if lines and lines[i] ~= line then seen[lines[i]] = (seen[lines[i]] or 0) + 1 end
    end
  end
  return seen
end

t.test("half of the edits fall on the settings of the config table, all others elsewhere", function()
  local hits, others, random = 0, 0, generator(2)
  for _ = 1, 400 do
    local m = mutate.new { files = { ["a.lua"] = CONFIG }, presets = { "small" }, random = random }
    local idea = m:propose { prompt = "first" }
    for part in (idea.text:sub(1, -2) .. "; then "):gmatch("(.-); then ") do
      if part:find("^Change `") and not part:find("^Change `%p") then hits = hits + 1 else others = others + 1 end
    end
    t.match(idea.files["a.lua"], "\n  vocab  = 256,            %-%- fixed by the data\n")
    t.match(idea.files["a.lua"], "\n  small    = { vocab = 99, width = 96 },\n")
  end
  t.ok(math.abs(hits / (hits + others) - 0.5) < 0.1, hits .. " and " .. others)
end)

t.test("a setting stays one: a size keeps its grain, a share stays a share, a choice is one of those that are named", function()
  local choices = {}
  for line, n in pairs(config_edits(600)) do
    local name, value = line:match("^  (%w+)%s+= (.-),")
    if name == "width" then t.ok(math.tointeger(value) > 0 and value % 16 == 0, line)
    elseif name == "beta" then t.ok(tonumber(value) > 0 and tonumber(value) < 1, line)
    elseif name == "deep" then t.eq(value, "false")
    else
      t.eq(name, "shape", line)
      choices[value] = n
    end
  end
  t.ok(choices['"flat"'] > 40 and choices['"wsd"'] > 40)
  choices['"flat"'], choices['"wsd"'] = nil, nil
  t.eq(choices, {})
end)

t.test("with a preset, the settings that it has are edited there and not in config", function()
  local small, width = 0, 0
  for line, n in pairs(config_edits(300, "small")) do
    if line:match("^  small    = { vocab = 99, width = %d+ },$") then small = small + n end
    if line:match("^  width") then width = width + n end
  end
  t.ok(small > 30)
  t.eq(width, 0)
end)

t.test("going on in a direction keeps a share below 1 and a size on its grain", function()
  local further, random = require("erlua.llm.mutate_number").further, generator(4)
  for _ = 1, 200 do
    local share, size = tonumber(further("0.9", "0.95", random)), tonumber(further("64", "80", random))
    t.ok(share >= 0.95 and share < 1, share)
    t.ok(size >= 80 and size % 16 == 0, size)
  end
end)

-- A program of ten numbers, and a parent that changed some of them.
local TEN = ""
for i = 1, 10 do TEN = TEN .. string.format("x%d = 1000\n", i) end
local function parent(id, reward, changes)
  local lines = views.split(TEN)
  for i, value in pairs(changes) do lines[i] = "x" .. i .. " = " .. value end
  return { id = id, reward = reward, files = { ["a.lua"] = table.concat(lines, "\n") } }
end

t.test("exploring leaves the parents aside and exploiting goes on from one", function()
  local m, kept = new { ["a.lua"] = TEN }, 0
  local parents = { parent(7, 2, { [1] = "111111", [2] = "222222", [3] = "333333" }) }
  for _ = 1, 200 do
    local explored = m:propose { prompt = "explore", parents = parents }
    t.no_match(explored.files["a.lua"], "222222")
    t.eq(explored.parents, {})
    local exploited = m:propose { prompt = "exploit", parents = parents }
    t.eq(exploited.parents, { 7 })
    local _, same = exploited.files["a.lua"]:gsub("(%d)%1%1%1%1%1", "")
    if same >= 2 then kept = kept + 1 end
  end
  t.ok(kept > 150, kept .. " of 200 kept two of the parent's changes")
end)

t.test("better parents are drawn more often", function()
  local m, parents, drawn = new { ["a.lua"] = TEN }, {}, { 0, 0 }
  for i = 1, 10 do parents[i] = parent(i, i, { [i] = i * 7777 }) end
  parents[11] = { id = 11, files = parent(11, 0, { [1] = 5 }).files }
  for _ = 1, 400 do
    local id = m:propose({ prompt = "exploit", parents = parents }).parents[1]
    if id == 11 or id <= 5 then drawn[1] = drawn[1] + 1 else drawn[2] = drawn[2] + 1 end
  end
  t.ok(drawn[2] > 2 * drawn[1], drawn[1] .. " of the worse half, " .. drawn[2] .. " of the better")
end)

t.test("two parents' changes come together in a child that names both", function()
  local m, both = new { ["a.lua"] = TEN }, 0
  local parents = { parent("p", 1, { [2] = "123457" }), parent("q", 1, { [8] = "765431" }) }
  for _ = 1, 200 do
    local idea = m:propose { prompt = "exploit", parents = parents }
    local text = idea.files["a.lua"]
    if text:find("123457", 1, true) and text:find("765431", 1, true) then
      both = both + 1
      t.eq(#idea.parents, 2)
      t.match(idea.text, "Take over")
    end
  end
  t.ok(both > 20, both .. " of 200")
end)

t.test("a parent's change is undone now and then, towards the pristine program", function()
  local m, undone = new { ["a.lua"] = TEN }, 0
  local parents = { parent(1, 1, { [2] = "123457", [9] = "765431" }) }
  for _ = 1, 300 do
    local idea = m:propose { prompt = "exploit", parents = parents }
    if idea.text:find("^Undo") then
      undone = undone + 1
      local only = parent(1, 1, { [2] = "123457" }).files["a.lua"]
      t.ok(idea.files["a.lua"] == only or idea.files["a.lua"] == parent(1, 1, { [9] = "765431" }).files["a.lua"])
    end
  end
  t.ok(undone > 3)
end)

t.test("a child never repeats a parent or the pristine program", function()
  local m = new { ["a.lua"] = "x = 1\n" }
  local parents = { { id = 1, files = {}, reward = 1 }, { id = 2, files = { ["a.lua"] = "x = 2\n" }, reward = 2 } }
  for _ = 1, 200 do
    local text = m:propose({ prompt = "exploit", parents = parents }).files["a.lua"]
    t.ok(text ~= "x = 1\n" and text ~= "x = 2\n", text)
  end
end)

t.test("a parent's further files go along with its child", function()
  local m = new { ["a.lua"] = TEN }
  local one = parent(1, 1, { [1] = 5 })
  one.files["new.lua"] = "return 1\n"
  t.eq(m:propose({ prompt = "exploit", parents = { one } }).files["new.lua"], "return 1\n")
end)

t.test("all editable files are edited", function()
  local m, seen = new { ["a.lua"] = TEN, ["b.py"] = "y = 5\nz = 6\n", ["c.txt"] = "n 5\n" }, {}
  for _ = 1, 300 do
    for path in pairs(m:propose({ prompt = "first" }).files) do seen[path] = true end
  end
  t.eq(seen, { ["a.lua"] = true, ["b.py"] = true, ["c.txt"] = true })
end)

t.test("where nothing can be edited the answer is a reason", function()
  for _, text in ipairs { "", "-- nothing here 5\n", "\0", "return\n" } do
    local idea, reason = new({ ["a.lua"] = text }):propose { prompt = "first" }
    t.eq(idea, nil)
    t.match(reason, "draws")
  end
  t.eq((new({}):propose { prompt = "exploit", parents = {} }), nil)
  t.eq((new({ ["a.lua"] = "x = 1\n" }, 1, "REGION"):propose { prompt = "first" }), nil)
end)

t.test("odd bytes, long lines and open ends are no trouble", function()
  local texts = { "x = 1\0 + 2\r\ny = 3\r\n", "s = 'open\nx = 5", "--[[ open\n1", "x = \xFF\xC3 + 5", "x = {" .. ("1, "):rep(5000) .. "}",
    ("("):rep(3000), ("end\n"):rep(300) .. "x = 1", "x = 1e999 + 99999999999999999999999", "local config = {\n x = 1" }
  for _, path in ipairs { "a.lua", "a.py", "a.c", "a" } do
    for _, text in ipairs(texts) do
      local m = new { [path] = text }
      for _ = 1, 10 do
        local idea = m:propose { prompt = "first" }
        if idea then
          t.ok(idea.files[path] ~= text)
          t.ok(utf8.len(idea.text), idea.text)
        end
      end
    end
  end
end)

t.test("what the mutator remembers does not grow with the number of proposals", function()
  local m, parents = new { ["pack.lua"] = PACK }, {}
  local function work(n)
    for i = 1, n do
      local idea = m:propose { prompt = "exploit", parents = parents }
      parents[i % 50 + 1] = { id = i, files = idea.files, reward = i % 11 }
    end
    collectgarbage()
    collectgarbage()
    return collectgarbage("count")
  end
  for i = 1, 50 do parents[i] = { id = i, files = m:propose({ prompt = "first" }).files, reward = 1 } end
  local before = work(1500)
  t.ok(work(1500) < before + 2500, "kB kept")
end)

t.test("a family is known by a file's name", function()
  t.eq(lex.family("a/b.lua").name, "lua")
  t.eq(lex.family("a.b/c.py").name, "python")
  t.eq(lex.family("Makefile").name, "other")
end)

return t
