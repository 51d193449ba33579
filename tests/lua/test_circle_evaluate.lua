-- The frozen half of envs/circle_packing: what counts as a packing, and that pack.lua's mistakes are only failed jobs.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")

local FOLDER = t.source .. "/envs/circle_packing"

-- 25 circles that touch each other and the sides exactly, and one in a gap.
local function grid()
  local circles = {}
  for row = 0, 4 do
    for column = 0, 4 do circles[#circles + 1] = { 0.1 + 0.2 * column, 0.1 + 0.2 * row, 0.0999 } end
  end
  circles[26] = { 0.2, 0.2, 0.04 }
  return circles
end

-- Four quarters that touch in binary-exact places, the rest in the middle gap and the corners.
local function tangent()
  local circles = { { 0.25, 0.25, 0.25 }, { 0.75, 0.25, 0.25 }, { 0.25, 0.75, 0.25 }, { 0.75, 0.75, 0.25 } }
  for k = 1, 22 do circles[#circles + 1] = { 0.5, 0.5 + (k - 11.5) / 512, 1 / 1024 } end
  return circles
end

local function encode(circles)
  local lines = {}
  for i, c in ipairs(circles) do lines[i] = string.format("[%.17g,%.17g,%.17g]", c[1], c[2], c[3]) end
  return "[" .. table.concat(lines, ",\n") .. "]"
end

-- Runs a frozen script as the engine would: status, stderr and the bytes of the metrics file (nil when there is none).
local function run(script, folder, setting)
  local out, metrics, log = folder .. "/out", folder .. "/metrics", folder .. "/log"
  local command = string.format("cd %s && ERLUA_OUT=%s ERLUA_METRICS=%s %s %s 2>%s", t.quote(setting or FOLDER),
    t.quote(out), t.quote(metrics), t.quote(t.erlua), script, t.quote(log))
  local _, _, status = os.execute(command)
  local file = io.open(metrics, "rb")
  local bytes = file and file:read("a")
  if file then file:close() end
  return status, t.read(log), bytes
end

local function evaluate(text)
  local folder = t.tmpdir()
  os.execute("mkdir " .. t.quote(folder .. "/out"))
  if text then t.write(folder .. "/out/circles.json", text) end
  return run("evaluate.lua", folder)
end

local function refused(text, pattern)
  local status, message, metrics = evaluate(text)
  t.eq(status, 1, message)
  t.match(message, pattern)
  t.eq(metrics, nil)
end

local function changed(index, x, y, r)
  local circles = tangent()
  circles[index] = { x, y, r }
  return encode(circles)
end

t.test("a packing is worth the sum of its radii", function()
  local status, message, metrics = evaluate(encode(grid()))
  t.eq(status, 0, message)
  local sum = tonumber(metrics:match('^{"sum_radii": ([%d.]+)}\n$'))
  t.near(sum, 25 * 0.0999 + 0.04, 1e-12)
end)

t.test("circles may touch each other and the sides exactly", function()
  local status, message, metrics = evaluate(encode(tangent()))
  t.eq(status, 0, message)
  t.match(metrics, "1%.02148")
end)

t.test("blanks between the parts do not matter", function()
  local status, message = evaluate(" \r\n" .. encode(tangent()):gsub("[%[%],]", " %0\t\n") .. "\n")
  t.eq(status, 0, message)
end)

t.test("an overlap of 1e-9 is refused with the circles and the size", function()
  refused(changed(1, 0.25 + 1e-9, 0.25, 0.25), "circles 1 and 2 overlap by 1e%-09")
end)

t.test("an overlap below 1e-12 passes and one above does not", function()
  t.eq((evaluate(changed(1, 0.25 + 5e-13, 0.25, 0.25))), 0)
  refused(changed(1, 0.25 + 2e-12, 0.25, 0.25), "overlap")
end)

t.test("one bit out of the square is refused on every side", function()
  local least = 2.0 ^ -54
  refused(changed(1, 0.25 - least, 0.25, 0.25), "circle 1 reaches 5.55e%-17 out")
  refused(changed(1, 0.25, 0.25 - least, 0.25), "circle 1 reaches")
  refused(changed(4, 0.75 + 2 * least * 2, 0.75, 0.25), "circle 4 reaches")
  refused(changed(4, 0.75, 0.75 + 2 * least * 2, 0.25), "circle 4 reaches")
  refused(changed(5, 3, 0.5, 0.001), "circle 5 reaches")
end)

t.test("25 and 27 circles are refused", function()
  local circles = tangent()
  local last = table.remove(circles)
  refused(encode(circles), "there are 25 circles, not 26")
  circles[26], circles[27] = last, { 0.5, 0.6, 1e-5 }
  refused(encode(circles), "more than 26")
  refused("[]", "missing at byte 2")
end)

t.test("a radius of zero or less is refused", function()
  refused(changed(9, 0.5, 0.5, 0), "circle 9 has the radius 0")
  refused(changed(9, 0.5, 0.5, -0.25), "circle 9 has the radius %-0.25")
end)

t.test("numbers that are none, or not finite, are refused", function()
  for _, word in ipairs { "NaN", "nan", "-nan", "inf", "Infinity", "0x1p-2", "1_0", "01", "+1", ".5", "1.", "1e", "null", '"1"', "" } do
    refused((encode(tangent()):gsub("0.25", word, 1)), "byte")
  end
  refused((encode(tangent()):gsub("0.25", "1e999", 1)), "not finite")
  refused((encode(tangent()):gsub("0.25", "-1e999", 1)), "not finite")
end)

t.test("what is not a list of triples is refused", function()
  local good = encode(tangent())
  for _, text in ipairs { "", " ", "{}", "[", "[[", "[[0.5", "[[0.5,0.5]]", "[[0.5,0.5,0.1,0.1]]", "[0.5,0.5,0.1]", good .. ",",
    good .. "]", good .. good, good:sub(1, -2), good:gsub("%],", "];", 1), "\xEF\xBB\xBF" .. good, '{"sum_radii": 9}' } do
    refused(text, "evaluate.lua: ")
  end
end)

t.test("deep nesting, NUL bytes and long files end in a refusal", function()
  refused(("["):rep(16000), "number is missing")
  refused(("["):rep(10000000), "larger than")
  refused((" "):rep(16384), "missing at byte")
  refused("\0" .. encode(tangent()), "missing at byte 1")
  refused((encode(tangent()):gsub("0.25", "0\0.25", 1)), "missing at byte")
  refused(encode(tangent()) .. "\0", "more behind")
  refused(("9"):rep(10000), "missing")
  refused("[[" .. ("9"):rep(10000) .. ",0,0]]", "not finite")
end)

t.test("a missing file, and a folder in its place, are refused", function()
  refused(nil, "no circles: ")
  local folder = t.tmpdir()
  os.execute("mkdir -p " .. t.quote(folder .. "/out/circles.json"))
  local status, message, metrics = run("evaluate.lua", folder)
  t.eq(status, 1)
  t.match(message, "no circles")
  t.eq(metrics, nil)
end)

-- Runs run.lua on another pack.lua.
local function pack(text)
  local folder = t.tmpdir()
  os.execute(string.format("mkdir %s && cp %s/*.lua %s", t.quote(folder .. "/out"), t.quote(FOLDER), t.quote(folder)))
  if text then t.write(folder .. "/pack.lua", text) end
  local status, message = run("run.lua", folder, folder)
  return status, message, folder
end

t.test("the construction as it is gives a packing between 0.9 and 2", function()
  local status, message, folder = pack()
  t.eq(status, 0, message)
  local evaluated, why, metrics = run("evaluate.lua", folder)
  t.eq(evaluated, 0, why)
  local sum = tonumber(metrics:match("[%d.]+"))
  t.ok(sum > 0.9 and sum < 2, metrics)
end)

t.test("a construction that fails is a failed job and leaves no circles", function()
  local cases = {
    { "return", "returned a nil" }, { "return {{x = 1, y = 2}}", "circle 1 is not" }, { "return {5}", "circle 1 is not" },
    { "error('so')", "so" }, { "error({})", "run.lua: table" }, { "x = = 1", "pack.lua:1" }, { "while true do end", "12 million steps" },
    { "local function f() return f() + 1 end return f()", "overflow" }, { "return os.exit(0)", "os" }, { "return io.open('x')", "io" },
    { "return math.random()", "random" }, { "\27Lua", "" }, { "", "returned a nil" },
  }
  for _, case in ipairs(cases) do
    local status, message, folder = pack(case[1])
    t.ok(status ~= 0, case[1])
    t.match(message, case[2])
    t.eq(io.open(folder .. "/out/circles.json"), nil, case[1])
  end
end)

return t
