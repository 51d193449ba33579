-- evaluate.lua - frozen: the sum of the radii in $ERLUA_OUT/circles.json, if they are a packing.
-- The file is what an idea left behind, so nothing about it is believed: it is read by a parser that knows
-- only [[x,y,r],...], and every circle is checked.

local CIRCLES = 26
local OVERLAP = 1e-12
local BYTES_MAX = 16384

local function fail(...)
  io.stderr:write("evaluate.lua: ", string.format(...), "\n")
  os.exit(1)
end

local function read_capped(path)
  local file, reason = io.open(path, "rb")
  if not file then fail("no circles: %s", reason) end
  local bytes, why = file:read(BYTES_MAX + 1)
  if not bytes then fail("no circles: %s is %s", path, why or "empty") end
  if #bytes > BYTES_MAX then fail("%s is larger than %d bytes", path, BYTES_MAX) end
  return bytes
end

-- A JSON number at `at` and the place behind it; fails on anything else, infinity and NaN among it.
local function number(text, at)
  local stop = text:match("^-?%d+()", at)
  if not stop or text:find("^-?0%d", at) then fail("a number is missing at byte %d", at) end
  stop = text:match("^%.%d+()", stop) or stop
  stop = text:match("^[eE][+-]?%d+()", stop) or stop
  local value = tonumber(text:sub(at, stop - 1)) + 0.0
  if value ~= value or value == math.huge or value == -math.huge then fail("the number at byte %d is not finite", at) end
  return value, stop
end

local function parse(text)
  local at = 1
  local function expect(mark)
    at = text:match("^[ \t\r\n]*()", at)
    if text:sub(at, at) ~= mark then fail("'%s' is missing at byte %d", mark, at) end
    at = text:match("^[ \t\r\n]*()", at + 1)
  end
  local function value()
    local v
    v, at = number(text, at)
    return v
  end
  local circles = {}
  expect("[")
  repeat
    if #circles > 0 then expect(",") end
    if #circles == CIRCLES then fail("there are more than %d circles", CIRCLES) end
    local circle = {}
    expect("[")
    circle.x = value()
    expect(",")
    circle.y = value()
    expect(",")
    circle.r = value()
    expect("]")
    circles[#circles + 1] = circle
  until text:sub(at, at) == "]"
  expect("]")
  if at <= #text then fail("there is more behind the list at byte %d", at) end
  return circles
end

-- 1 - x is exact where it matters (x >= 0.5), so that touching a side is inside and one bit further is not.
local function check_inside(i, c)
  if c.r <= 0 then fail("circle %d has the radius %.17g", i, c.r) end
  local beyond = math.max(c.r - c.x, c.r - c.y, c.r - (1 - c.x), c.r - (1 - c.y))
  if beyond > 0 then fail("circle %d reaches %.3g out of the square", i, beyond) end
end

local function check_apart(i, a, j, b)
  local overlap = a.r + b.r - math.sqrt((a.x - b.x) ^ 2 + (a.y - b.y) ^ 2)
  if overlap > OVERLAP then fail("circles %d and %d overlap by %.3g", i, j, overlap) end
end

local out = os.getenv("ERLUA_OUT") or fail("ERLUA_OUT names no folder with the circles")
local metrics = os.getenv("ERLUA_METRICS") or fail("ERLUA_METRICS names no file for the result")
local circles = parse(read_capped(out .. "/circles.json"))
if #circles ~= CIRCLES then fail("there are %d circles, not %d", #circles, CIRCLES) end

local sum = 0
for i, a in ipairs(circles) do
  check_inside(i, a)
  for j = 1, i - 1 do check_apart(j, circles[j], i, a) end
  sum = sum + a.r
end

local file, reason = io.open(metrics, "wb")
if not file then fail("%s", reason) end
if not (file:write(string.format('{"sum_radii": %.17g}\n', sum)) and file:close()) then fail("cannot write %s", metrics) end
