-- tap.lua: the assertions of a test file and the runner that tests/run.lua drives.
-- A test file loads its own copy, registers tests under sentences and returns it:
--
--   local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
--   t.test("a sum is a number", function() t.eq(1 + 1, 2) end)
--   return t
--
-- The first assertion that does not hold ends its test.  Tests run inside a task
-- of erlua, so they may wait.

local t = {
  source = os.getenv("ERLUA_TEST_SOURCE") or ".",
  erlua = os.getenv("ERLUA_TEST_BINARY") or "build/erlua",
  tests = {},
}

local folders = {}          -- what t.tmpdir made and the end of the file removes
local cleanups = {}         -- of the running test
local Failure, Skip = {}, {}
Failure.__tostring = function(e) return e.message end
Skip.__tostring = function(e) return "skipped: " .. e.reason end

-- The readable form of a value in a message: sorted keys, one line, bounded.
local function show(v, depth)
  depth = depth or 0
  if type(v) == "string" then
    local s = string.format("%q", v):gsub("\\\n", "\\n"):gsub("%c", function(c) return string.format("\\%d", c:byte()) end)
    return #s > 300 and s:sub(1, 300) .. "…" or s
  end
  if type(v) ~= "table" or depth > 4 then return tostring(v) end
  local keys = {}
  for k in pairs(v) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b)
    if math.type(a) and math.type(b) then return a < b end
    return tostring(a) < tostring(b)
  end)
  local out = {}
  for i, k in ipairs(keys) do
    if i > 40 then out[#out + 1] = "…" break end
    local name = k == i and "" or type(k) == "string" and k:match("^[%a_][%w_]*$") and k .. " = " or "[" .. show(k, depth + 1) .. "] = "
    out[#out + 1] = name .. show(v[k], depth + 1)
  end
  return "{" .. table.concat(out, ", ") .. "}"
end

local function where(path, k)
  if type(k) == "string" and k:match("^[%a_][%w_]*$") then return path .. "." .. k end
  return path .. "[" .. show(k) .. "]"
end

-- Long texts are compared line by line: the first line that differs is what a reader wants.
local function text_difference(path, got, want)
  if not (got:find("\n") and want:find("\n")) then return string.format("%s: got %s, want %s", path, show(got), show(want)) end
  local a, b = (got .. "\n"):gmatch("(.-)\n"), (want .. "\n"):gmatch("(.-)\n")
  for line = 1, math.huge do
    local x, y = a(), b()
    if x ~= y then
      return string.format("%s, line %d:\n    got  %s\n    want %s", path, line, x and show(x) or "(end)", y and show(y) or "(end)")
    end
  end
end

local function same_number(a, b) return a == b or (a ~= a and b ~= b) end

-- Appends a line to `out` for every place where got and want differ.
local function differences(got, want, path, out, seen)
  if #out >= 10 or rawequal(got, want) then return end
  if type(got) ~= type(want) then
    out[#out + 1] = string.format("%s: got %s, want %s", path, show(got), show(want))
  elseif type(got) == "number" then
    if not same_number(got, want) then out[#out + 1] = string.format("%s: got %s, want %s", path, show(got), show(want)) end
  elseif type(got) == "string" then
    out[#out + 1] = text_difference(path, got, want)
  elseif type(got) ~= "table" then
    if got ~= want then out[#out + 1] = string.format("%s: got %s, want %s", path, show(got), show(want)) end
  elseif seen[got] ~= want then
    seen[got] = want
    local keys = {}
    for k in pairs(want) do keys[#keys + 1] = k end
    for k in pairs(got) do if want[k] == nil then keys[#keys + 1] = k end end
    table.sort(keys, function(a, b) return show(a) < show(b) end)
    for _, k in ipairs(keys) do differences(got[k], want[k], where(path, k), out, seen) end
  end
end

-- Raises with the line of the test that called the assertion.
local function fail(message, note)
  local at = ""
  for level = 2, 20 do
    local info = debug.getinfo(level, "Sl")
    if info == nil then break end
    if info.short_src:match("test_[%w_]+%.lua$") or not info.source:find("tap.lua", 1, true) and info.what == "Lua" then
      at = info.short_src:match("[^/]*$") .. ":" .. info.currentline .. ": "
      break
    end
  end
  if note then message = note .. ": " .. message end
  error(setmetatable({ message = at .. message }, Failure), 0)
end

---Registers a test.
---@param sentence string  what holds, as a sentence
---@param fn function
function t.test(sentence, fn)
  for _, other in ipairs(t.tests) do
    if other.name == sentence then error("two tests are called '" .. sentence .. "'", 2) end
  end
  t.tests[#t.tests + 1] = { name = sentence, fn = fn }
end

---The value is as wanted; tables are compared by their contents, nan equals nan.
function t.eq(got, want, note)
  local out = {}
  differences(got, want, "value", out, {})
  if #out > 0 then fail(table.concat(out, "\n  "), note) end
  return got
end

---The value is neither nil nor false.
function t.ok(v, message)
  if not v then fail("got " .. show(v) .. ", want a true value", message) end
  return v
end

---Two numbers differ by at most `within` (1e-9 unless told).
function t.near(got, want, within)
  if type(got) ~= "number" or not (math.abs(got - want) <= (within or 1e-9)) then
    fail(string.format("got %s, want %s within %s", show(got), show(want), show(within or 1e-9)))
  end
  return got
end

---The text matches a Lua pattern.
function t.match(s, pattern)
  if type(s) ~= "string" or not s:find(pattern) then fail("got " .. show(s) .. "\n  want a match of " .. show(pattern)) end
  return s
end

---The text does not match a Lua pattern.
function t.no_match(s, pattern)
  if type(s) ~= "string" or s:find(pattern) then fail("got " .. show(s) .. "\n  want no match of " .. show(pattern)) end
  return s
end

---The function raises, and the message matches.  Returns the error.
function t.raises(fn, pattern)
  local ok, e = pcall(fn)
  if ok then fail("nothing was raised, want an error that matches " .. show(pattern or "")) end
  if getmetatable(e) == Failure or getmetatable(e) == Skip then error(e, 0) end
  if pattern and not tostring(e):find(pattern) then fail("raised " .. show(tostring(e)) .. "\n  want a match of " .. show(pattern)) end
  return e
end

---Waits until a condition holds, two minutes and more if need be: only a test that fails waits so long.
function t.await(what, condition)
  local stop = os.time() + 240
  repeat
    local v = condition()
    if v then return v end
    erlua.sleep(0.005)
  until os.time() > stop
  error("waited in vain until " .. what, 2)
end

---Ends the test as skipped.
function t.skip(reason) error(setmetatable({ reason = reason }, Skip), 0) end

---Calls fn when the running test is over, however it ends; the last one first.
function t.cleanup(fn) cleanups[#cleanups + 1] = fn end

---One argument, quoted for the shell.
function t.quote(s) return "'" .. tostring(s):gsub("'", "'\\''") .. "'" end

---A fresh folder, removed when the file's tests have run.
---@param parent? string  the folder for temporary files unless told
function t.tmpdir(parent)
  local pipe = assert(io.popen("mktemp -d " .. (parent and t.quote(parent) or '"${TMPDIR:-/tmp}"') .. "/erlua-test.XXXXXX"))
  local path = pipe:read("l")
  pipe:close()
  assert(path and path ~= "", "mktemp gave no folder")
  folders[#folders + 1] = path
  return path
end

---The bytes of a file, or nil and why not.
function t.read(path)
  local f, message = io.open(path, "rb")
  if not f then return nil, message end
  local bytes = f:read("a")
  f:close()
  return bytes
end

---Writes a file, making its folder.
function t.write(path, bytes)
  local dir = path:match("^(.*)/[^/]*$")
  if dir and dir ~= "" then assert(os.execute("mkdir -p " .. t.quote(dir))) end
  local f = assert(io.open(path, "wb"))
  f:write(bytes)
  f:close()
  return path
end

local function command_line(argv, opts, dir)
  local out = {}
  if opts.cwd then out[#out + 1] = "cd " .. t.quote(opts.cwd) .. " && " end
  out[#out + 1] = "exec env "
  for k, v in pairs(opts.env or {}) do
    if v == false then out[#out + 1] = "-u " .. k .. " " end
  end
  for k, v in pairs(opts.env or {}) do
    if v ~= false then out[#out + 1] = t.quote(k .. "=" .. v) .. " " end
  end
  out[#out + 1] = "timeout -k 2 " .. (opts.timeout or 600)
  for _, a in ipairs(argv) do out[#out + 1] = " " .. t.quote(a) end
  if opts.stdin then t.write(dir .. "/in", opts.stdin) end
  out[#out + 1] = " <" .. (opts.stdin and t.quote(dir .. "/in") or "/dev/null")
  out[#out + 1] = " >" .. t.quote(dir .. "/out") .. " 2>" .. t.quote(dir .. "/err")
  return table.concat(out)
end

---What a program said, less what erlua says of a task on a machine that is slow or stands still.
function t.unhurried(said) return (said:gsub("[^\n]*has not waited for over a second, at [^\n]*\n", "")) end

---Runs a program to its end.  The shell is used on purpose: what starts the program
---under test is not the program under test.
---@param argv string[]
---@param opts? {cwd: string?, env: table?, stdin: string?, timeout: number?}  env: false removes a variable; timeout in seconds (600)
---@return {code: integer, out: string, err: string}  code is 128 + n for signal n, 124 when the time was over
function t.run(argv, opts)
  local dir = t.tmpdir()
  local _, how, code = os.execute(command_line(argv, opts or {}, dir))
  if how == "signal" then code = 128 + code end
  return { code = code, out = t.read(dir .. "/out") or "", err = t.unhurried(t.read(dir .. "/err") or "") }
end

local function live_tasks()
  local ok, core = pcall(require, "erlua.core.task")
  if not ok or type(core) ~= "table" or not core.live then return 0 end
  collectgarbage()
  return core.live()
end

local function report(out, outcome, n, name, detail)
  if outcome == "skip" then
    out:write(string.format("ok %d - %s # SKIP %s\n", n, name, detail))
  else
    out:write(string.format("%s %d - %s\n", outcome == "pass" and "ok" or "not ok", n, name))
    if detail then out:write("  # ", (detail:gsub("\n", "\n  # ")), "\n") end
  end
  out:flush()
end

local function handler(e)
  if getmetatable(e) == Failure or getmetatable(e) == Skip then return e end
  return debug.traceback(tostring(e), 2)
end

local function run_one(test)
  local before = live_tasks()
  local ok, e = xpcall(test.fn, handler)
  while #cleanups > 0 do
    local done, message = xpcall(table.remove(cleanups), handler)
    if ok and not done then ok, e = false, message end
  end
  local left = live_tasks() - before
  if not ok and getmetatable(e) == Skip then return "skip", e.reason end
  if not ok then return "fail", tostring(e) end
  if left > 0 then return "fail", left .. " task(s) or job(s) left running by this test" end
  return "pass"
end

---Runs the registered tests, printing TAP from number `n` on.
---@return {pass: integer, fail: integer, skip: integer}
function t.run_all(n, out)
  local count = { pass = 0, fail = 0, skip = 0 }
  for _, test in ipairs(t.tests) do
    local outcome, detail = run_one(test)
    count[outcome] = count[outcome] + 1
    report(out, outcome, n, test.name, detail)
    n = n + 1
  end
  for _, path in ipairs(folders) do
    os.execute("chmod -R u+rwX " .. t.quote(path) .. " 2>/dev/null; rm -rf " .. t.quote(path))
  end
  folders = {}
  return count
end

return t
