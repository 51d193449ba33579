-- env.lua: what is wrong in it is said by the field's name, before anything runs.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local envs = require("erlua.env")
local units = require("erlua.units")

local GOOD = {
  name = '"small"', editable = '{ "idea.lua" }', train = '{ "erlua", "idea.lua" }', evaluate = '{ "erlua", "evaluate.lua" }',
  metric = '"score"', direction = '"max"',
}
local FILES = { ["idea.lua"] = "return 1\n", ["evaluate.lua"] = "return 2\n", ["val.bin"] = "\0\1", ["lib/a.lua"] = "return 3\n" }

-- env.lua with the good fields and these; false leaves one out.
local function source(fields)
  local all, lines = {}, {}
  for name, v in pairs(GOOD) do all[name] = v end
  for name, v in pairs(fields) do all[name] = v end
  for name, v in pairs(all) do
    if v then lines[#lines + 1] = name .. " = " .. v end
  end
  return "return { " .. table.concat(lines, ", ") .. " }"
end

local function load(text, preset, files)
  local all = { ["env.lua"] = text }
  for path, bytes in pairs(files or FILES) do all[path] = bytes end
  return envs.from_files(all, {}, { where = "small", preset = preset })
end

-- The environment is refused, and the message tells its place and matches.
local function refused(text, pattern, preset, files)
  local env, message, code = load(text, preset, files)
  t.eq(env, nil, text)
  t.match(message, "^small: ")
  t.match(message, pattern)
  t.ok(code, message)
end

t.test("a small env.lua is enough, and the rest has defaults", function()
  local env = t.ok(load(source {}))
  t.eq({ env.name, env.metric, env.direction, env.has_reward, env.budget }, { "small", "score", "max", false })
  t.eq({ env.limits.wall, env.limits.grace, env.limits.gpus }, { 3600, 0.5, 0 })
  t.eq(env.pristine, { ["idea.lua"] = "return 1\n" })
  t.eq(env.frozen_files, { "env.lua", "evaluate.lua", "lib/a.lua", "val.bin" })
end)

t.test("every field that the documents name is taken", function()
  local env = t.ok(load(source { frozen = '{ "lib/**" }', region = false, check = '{ "erlua", "lib/a.lua" }', reward = "function(m) return 1 / m.score end",
    data = '{ "*.bin" }', read = '{ "/opt/venv", "/home/me/venv" }', budget = '{ wall = "25m" }',
    limits = '{ wall = "1h30m", cpu = 60, memory = "64G", disk = "1.5G", output = 1000, processes = 10, gpus = 8, grace = "20ms" }',
    presets = '{ tiny = { limits = { wall = "10s" }, budget = { cpu = 5 } }, ["124m"] = {} }' }, "tiny"))
  t.eq({ env.limits.wall, env.limits.cpu, env.limits.memory, env.limits.disk }, { 10, 60, 64 << 30, 3 << 29 })
  t.eq(env.budget, { seconds = 5, cpu = true })
  t.eq(env.data_files, { "val.bin" })
  t.eq(env:score { score = 4 }, 0.25)
end)

-- fields, pattern of the message
local CASES = {
  { { name = false }, "'name' is missing" },
  { { editable = false }, "'editable' is missing" },
  { { train = false }, "'train' is missing" },
  { { evaluate = false }, "'evaluate' is missing" },
  { { metric = false }, "'metric' is missing" },
  { { direction = false }, "'direction' is missing" },
  { { name = "3" }, "'name' must be a text" },
  { { name = '""' }, "'name' must be a text" },
  { { name = '"a b"' }, "'name' may hold letters" },
  { { name = '"../up"' }, "'name' may hold letters" },
  { { name = '".."' }, "'name' may hold letters" },
  { { editable = '"idea.lua"' }, "'editable' must be a list" },
  { { editable = "{ 1 }" }, "'editable' must be a list" },
  { { editable = '{ a = "idea.lua" }' }, "'editable' must be a list" },
  { { editable = "{}" }, "'editable' matches no file" },
  { { editable = '{ "other.lua" }' }, "'editable' matches no file" },
  { { editable = '{ "env.lua" }' }, "'editable' matches no file" },
  { { editable = '{ "val.bin" }', data = '{ "val.bin" }' }, "'editable' matches no file" },
  { { editable = '{ "*.lua" }' }, "'evaluate' runs 'evaluate.lua', which is editable" },
  { { editable = '{ "**" }', evaluate = '{ "sh", "./lib/a.lua" }' }, "'evaluate' runs 'lib/a.lua', which is editable" },
  { { frozen = '"x"' }, "'frozen' must be a list" },
  { { region = "true" }, "'region' must be a text" },
  { { region = '"EVOLVE-BLOCK"' }, "idea.lua" },
  { { check = '"erlua check.lua"' }, "'check' must be a command" },
  { { train = "{}" }, "'train' must be a command" },
  { { train = '{ "erlua", 3 }' }, "'train' must be a command" },
  { { train = '{ "erlua", "a\\0b" }' }, "'train' must be a command" },
  { { evaluate = '{ x = "erlua" }' }, "'evaluate' must be a command" },
  { { metric = "1" }, "'metric' must be a text" },
  { { direction = '"up"' }, "'direction' must be \"min\" or \"max\"" },
  { { reward = "1" }, "'reward' must be a function" },
  { { data = '"val.bin"' }, "'data' must be a list" },
  { { data = '{ "vall.bin" }' }, "'data': 'vall.bin' matches no file" },
  { { read = '"/opt"' }, "'read' must be a list" },
  { { read = '{ "opt" }' }, "'read' must hold whole paths.*: opt" },
  { { read = '{ "/opt/../root" }' }, "'read' must hold whole paths" },
  { { read = '{ "/" }' }, "'read' would show the whole machine" },
  { { read = '{ "//./" }' }, "'read' would show the whole machine" },
  { { read = '{ "/run" }' }, "'read' cannot show /run" },
  { { read = '{ "/run/docker.sock" }' }, "'read' cannot show /run/docker.sock" },
  { { read = '{ "/var/run/x" }' }, "'read' cannot show" },
  { { read = '{ "/./proc" }' }, "'read' cannot show" },
  { { read = '{ "/work" }' }, "'read' cannot show" },
  { { read = '{ "/erlua/data" }' }, "'read' cannot show" },
  { { budget = '"25m"' }, "'budget' must be a table" },
  { { budget = "{}" }, "'budget' takes one of wall and cpu" },
  { { budget = "{ wall = 1, cpu = 1 }" }, "'budget' takes one of wall and cpu" },
  { { budget = "{ time = 1 }" }, "'budget' takes wall or cpu, not 'time'" },
  { { budget = '{ wall = "soon" }' }, "'budget.wall' is not a time" },
  { { budget = "{ wall = 0 }" }, "'budget.wall' must be more than 0" },
  { { budget = "{ wall = -1 }" }, "'budget.wall' must be" },
  { { limits = "5" }, "'limits' must be a table" },
  { { limits = "{ time = 1 }" }, "'limits.time'" },
  { { limits = "{ [1] = 1 }" }, "'limits.1'" },
  { { limits = '{ wall = "25" }' }, "'limits.wall' is not a time" },
  { { limits = "{ wall = true }" }, "'limits.wall' is not a time" },
  { { limits = "{ wall = -1 }" }, "'limits.wall' must be" },
  { { limits = "{ wall = 0/0 }" }, "'limits.wall' must be" },
  { { limits = "{ wall = 1/0 }" }, "'limits.wall' must be" },
  { { limits = '{ wall = "1h 30m" }' }, "'limits.wall' is not a time" },
  { { limits = '{ cpu = "x" }' }, "'limits.cpu' is not a time" },
  { { limits = '{ grace = {} }' }, "'limits.grace' is not a time" },
  { { limits = '{ memory = "lots" }' }, "'limits.memory' is not a size" },
  { { limits = "{ memory = -1 }" }, "'limits.memory' must be" },
  { { limits = "{ memory = 1e300 }" }, "'limits.memory' must be" },
  { { limits = '{ memory = "99999999999T" }' }, "'limits.memory' must be" },
  { { limits = "{ disk = {} }" }, "'limits.disk' is not a size" },
  { { limits = '{ output = "-5M" }' }, "'limits.output' is not a size" },
  { { limits = "{ processes = 0 }" }, "'limits.processes' must be a whole number" },
  { { limits = "{ processes = 1.5 }" }, "'limits.processes' must be a whole number" },
  { { limits = '{ processes = "4" }' }, "'limits.processes' must be a whole number" },
  { { limits = "{ gpus = -1 }" }, "'limits.gpus' must be a whole number" },
  { { limits = "{ gpus = 1000 }" }, "'limits.gpus' must be a whole number" },
  { { presets = "{ 1 }" }, "'presets' must be a table of name" },
  { { presets = "{ tiny = 1 }" }, "'presets' must be a table of name" },
  { { presets = "{ tiny = { wall = 1 } }" }, "unknown field 'presets.tiny.wall'" },
  { { presets = '{ tiny = { limits = { wall = "x" } } }' }, "'presets.tiny.limits.wall' is not a time" },
  { { presets = "{ tiny = { budget = { wall = 0 } } }" }, "'presets.tiny.budget.wall' must be more than 0" },
  { { presets = '{ tiny = { train = "x" } }' }, "'presets.tiny.train' must be a command" },
  { { presets = "{ tiny = { reward = function() end } }" }, "'presets.tiny.reward' cannot differ" },
  { { presets = '{ tiny = { name = "x" } }' }, "'presets.tiny.name' cannot differ" },
  { { colour = '"red"' }, "unknown field 'colour'" },
  { { [1] = "2" }, "unknown field '1'" },
}

t.test("every malformed field is refused by its name", function()
  for _, case in ipairs(CASES) do
    local fields = case[1]
    if fields[1] then fields = { ["[1]"] = fields[1] } end
    refused(source(fields), case[2])
  end
end)

t.test("a preset that is not there is an error", function()
  refused(source { presets = "{ tiny = {} }" }, "there is no preset 'large'", "large")
  refused(source {}, "there is no preset 'large'", "large")
end)

t.test("an env.lua that is no table of fields is refused with its place", function()
  for text, pattern in pairs {
    ["return {"] = "env.lua:1: .*expected", [""] = "must return a table", ["return 5"] = "must return a table", ["error('stop')"] = "env.lua:1: stop",
    ["error({})"] = "no string", ["while true do end"] = "million steps", ["pcall(function() while true do end end) while true do end"] = "million steps",
    ["local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end"] = "memory", ["local t = {} t.t = t return t"] = "must return a table .*deep",
    ["os.exit(3)"] = "os", ["io.open('/etc/passwd')"] = "io", ["require('os')"] = "require", ["\27Lua"] = ".", ["return { name = 'x' }"] = "is missing",
    ["\0\0"] = "." } do
    refused(text, pattern)
  end
end)

t.test("a folder without env.lua, or a name that is none, is said", function()
  local dir = t.tmpdir()
  t.write(dir .. "/a.lua", "return 1\n")
  local env, message = envs.load(dir)
  t.eq(env, nil)
  t.match(message, "there is no env.lua")
  env, message = envs.load("no_such_environment")
  t.eq(env, nil)
  t.match(message, "there is no environment 'no_such_environment'")
end)

t.test("an environment holds no links and no special files", function()
  for _, make in ipairs { "ln -s /etc/shadow secret", "mkfifo pipe" } do
    local dir = t.tmpdir()
    t.write(dir .. "/env.lua", source {})
    for path, bytes in pairs(FILES) do t.write(dir .. "/" .. path, bytes) end
    t.eq(t.run({ "sh", "-c", make }, { cwd = dir }).code, 0)
    local env, message = envs.load(dir)
    t.eq(env, nil)
    t.match(message, "is a link or a special file")
  end
end)

t.test("the messages reach the command line, and nothing is left behind", function()
  local dir = t.tmpdir()
  t.write(dir .. "/env/env.lua", source { limits = '{ wall = "soon" }' })
  for path, bytes in pairs(FILES) do t.write(dir .. "/env/" .. path, bytes) end
  t.write(dir .. "/run.lua", "erlua.study(erlua.options { env = 'env' })\n")
  local r = t.run({ t.erlua, "run.lua" }, { cwd = dir })
  t.eq(r.code, 1)
  t.match(r.err, "'limits.wall' is not a time")
  t.eq(t.read(dir .. "/studies"), nil)
  t.eq(t.run({ "ls", dir }).out, "env\nrun.lua\n")
end)

t.test("times and sizes are read as people write them", function()
  t.eq({ units.seconds "25m", units.seconds "1h30m", units.seconds "0.5s", units.seconds "20ms", units.seconds(7), units.seconds "2d" },
    { 1500, 5400, 0.5, 0.02, 7, 172800 })
  t.eq({ units.bytes "64G", units.bytes "512M", units.bytes "1.5K", units.bytes "3", units.bytes "2GiB", units.bytes(10) }, { 64 << 30, 512 << 20, 1536, 3, 2 << 30, 10 })
  for _, bad in ipairs { "", "5", "m", "5x", "-5s", "5s ", "1e3s", "s5" } do t.eq(units.seconds(bad), nil, bad) end
  for _, bad in ipairs { "", "x", "5X", "-5", "1e3", "0x10", "5 M", "5MM" } do t.eq(units.bytes(bad), nil, bad) end
end)

-- ---- what a study keeps ------------------------------------------------------------------

local function study_folder(fields, files)
  local dir = t.tmpdir()
  t.write(dir .. "/env/env.lua", source(fields))
  for path, bytes in pairs(FILES) do t.write(dir .. "/env/" .. path, bytes) end
  for path, bytes in pairs(files or {}) do t.write(dir .. "/env/" .. path, bytes) end
  t.write(dir .. "/run.lua", "erlua.study(erlua.options { env = 'env' }) erlua.sleep(0)\n")
  local r = t.run({ t.erlua, "run.lua", "--study", dir .. "/study", "--no-sandbox" }, { cwd = dir })
  t.eq(r.code, 0, r.err)
  return dir
end

local function resume(dir) return t.run({ t.erlua, "resume", dir .. "/study", "--no-sandbox" }, { cwd = dir }) end

t.test("a frozen file that was changed in the study's folder is put back", function()
  local dir = study_folder {}
  t.eq(t.read(dir .. "/study/snapshot/evaluate.lua"), "return 2\n")
  t.write(dir .. "/study/snapshot/evaluate.lua", "return 999\n")
  local r = resume(dir)
  t.eq(r.code, 0, r.err)
  t.eq(t.read(dir .. "/study/snapshot/evaluate.lua"), "return 2\n")
end)

t.test("large data that has changed since the study began is refused", function()
  local big = ("x"):rep(1 << 20):rep(11)
  local dir = study_folder({ data = '{ "big.bin" }' }, { ["big.bin"] = big })
  t.eq(t.read(dir .. "/study/snapshot/big.bin"), nil, "large files are not copied")
  t.write(dir .. "/env/big.bin", "y" .. big:sub(2))
  local r = resume(dir)
  t.eq(r.code, 1)
  t.match(r.err, "big.bin.*has changed since the study began")
end)

t.test("plausible bounds the metric; what is beyond is doubted in words, what is on the bound is not", function()
  for _, wrong in ipairs { "{}", "3", "{ most = 3 }", '{ min = "3" }', "{ min = 2, max = 1 }", "{ min = 0/0 }" } do
    refused(source { plausible = wrong }, "field 'plausible' must hold min, max or both")
  end
  local env = t.ok(load(source { plausible = "{ min = 1.5 }", presets = "{ wide = { plausible = { min = 1, max = 9 } } }" }))
  t.eq({ env:doubt { score = 1.5 }, env:doubt { score = 99 } }, {})
  t.eq(env:doubt { score = 1.25 }, "score 1.25 is below plausible.min, 1.5")
  env = t.ok(load(source { plausible = "{ min = 1.5 }", presets = "{ wide = { plausible = { min = 1, max = 9 } } }" }, "wide"))
  t.eq({ env:doubt { score = 1.25 }, (env:doubt { score = 10 }) }, { [2] = "score 10 is above plausible.max, 9" })
  t.eq(t.ok(load(source {})):doubt { score = -1e300 }, nil)
end)

return t
