-- run.lua - frozen: runs pack.lua with a bounded number of steps and leaves its circles in $ERLUA_OUT/circles.json.
-- pack.lua gets no clock, no files and no random numbers: what it returns depends on its text.

local STEPS = 12000000                    -- VM instructions; about a tenth of a second
local CURVE_POINTS = 1000

local function fail(message)
  io.stderr:write("run.lua: ", message, "\n")
  os.exit(1)
end

-- A copy of `library` without the named functions.
local function without(library, ...)
  local copy = {}
  for name, value in pairs(library) do copy[name] = value end
  for _, name in ipairs({ ... }) do copy[name] = nil end
  return copy
end

-- pairs in an order of its own (numbers, then strings): the stock order differs from run to run.
local function ordered_pairs(t)
  local keys, at = {}, 0
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if type(a) ~= type(b) then return type(a) < type(b) end
    return a < b
  end)
  return function()
    at = at + 1
    if keys[at] ~= nil then return keys[at], t[keys[at]] end
  end
end

local function bare_environment()
  return {
    math = without(math, "random", "randomseed"), table = without(table), string = without(string, "dump", "rep"),
    assert = assert, error = error, ipairs = ipairs, pairs = ordered_pairs, select = select, tonumber = tonumber,
    tostring = tostring, type = type,
  }
end

-- progress(round, sum): one JSON line in $ERLUA_CURVE; anything but two finite numbers is left out.
local function curve()
  local path = os.getenv("ERLUA_CURVE")
  local file = path and io.open(path, "a")
  local points = 0
  local function finite(v) return math.type(v) and v == v and v > -math.huge and v < math.huge end
  return function(round, sum)
    if not file or points >= CURVE_POINTS or not (finite(round) and finite(sum)) then return end
    points = points + 1
    file:write(string.format('{"step":%d,"sum":%.6g}\n', math.floor(round), sum))
    file:flush()
  end
end

local function encode(circles)
  if type(circles) ~= "table" then fail("pack.lua returned a " .. type(circles) .. ", not a list of circles") end
  local lines = {}
  for i, c in ipairs(circles) do
    local x, y, r
    if type(c) == "table" then x, y, r = c.x, c.y, c.r end
    if not (math.type(x) and math.type(y) and math.type(r)) then
      fail("circle " .. i .. " is not a table of the numbers x, y and r")
    end
    lines[i] = string.format("[%.17g,%.17g,%.17g]", x, y, r)
  end
  return "[" .. table.concat(lines, ",\n") .. "]\n"
end

local function write_whole(path, bytes)
  local file, reason = io.open(path .. ".part", "wb")
  if not file then fail(reason) end
  if not (file:write(bytes) and file:close()) then fail("cannot write " .. path) end
  local renamed, why = os.rename(path .. ".part", path)
  if not renamed then fail(why) end
end

local out = os.getenv("ERLUA_OUT") or fail("ERLUA_OUT names no folder for the circles")
local pack, problem = loadfile("pack.lua", "t", bare_environment())
if not pack then fail(problem) end

local used = 0
local task = coroutine.create(pack)
debug.sethook(task, function()
  used = used + 10000
  if used >= STEPS then error("pack.lua used up its " .. STEPS // 1000000 .. " million steps", 0) end
end, "", 10000)
local ok, circles = coroutine.resume(task, curve())
if not ok then fail(tostring(circles)) end
write_whole(out .. "/circles.json", encode(circles))
