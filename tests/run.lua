-- run.lua: runs test files inside erlua and prints TAP.
--   erlua tests/run.lua FILE...
-- The last line is "N passed, N failed, N skipped"; the exit code is 1 if anything
-- failed, if a file could not be loaded, or if a file holds no test.

local files = { ... }
if #files == 0 then
  io.stderr:write("usage: erlua tests/run.lua FILE...\n")
  os.exit(2)
end

local total = { pass = 0, fail = 0, skip = 0 }
local n = 1

local function broken(file, message)
  total.fail = total.fail + 1
  io.stdout:write("not ok ", n, " - ", file, " loads\n  # ", (tostring(message):gsub("\n", "\n  # ")), "\n")
  n = n + 1
end

io.stdout:write("TAP version 13\n")
for _, file in ipairs(files) do
  local chunk, message = loadfile(file)
  local ok, suite = false, message
  if chunk then ok, suite = xpcall(chunk, debug.traceback) end
  if not ok then
    broken(file, suite)
  elseif type(suite) ~= "table" or not suite.tests or #suite.tests == 0 then
    broken(file, "the file returns no tests; end it with 'return t'")
  else
    local count = suite.run_all(n, io.stdout)
    n = n + #suite.tests
    for k, v in pairs(count) do total[k] = total[k] + v end
  end
end
io.stdout:write("1..", n - 1, "\n")
io.stdout:write(string.format("%d passed, %d failed, %d skipped\n", total.pass, total.fail, total.skip))
io.stdout:flush()
if total.fail > 0 then os.exit(1) end
