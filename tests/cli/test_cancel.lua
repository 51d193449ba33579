-- erlua cancel: a study's running jobs end, and nothing of it stays on the machine.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local json = require("erlua.json")

-- A folder with an environment whose training sleeps until a file `go` is there, and a
-- strategy that runs its baseline.  The number makes its processes known from others.
local function workshop()
  local dir = t.tmpdir()
  local mark = "86399." .. dir:byte(-1) .. dir:byte(-2) .. dir:byte(-3)
  t.write(dir .. "/env/number.txt", "1\n")
  t.write(dir .. "/env/env.lua", string.format([[
return { name = "slow", editable = { "number.txt" }, metric = "n", direction = "max",
  train = { "/bin/sh", "-c", "test -e %s/go || sleep %s & wait; cp number.txt $ERLUA_OUT/" },
  evaluate = { "/bin/sh", "-c", "echo '{\"n\":1}' > $ERLUA_METRICS" } }
]], dir, mark))
  t.write(dir .. "/base.lua", 'local s = erlua.study(erlua.options { env = "env" })\ns:baseline()\nreturn s:report()\n')
  return dir, mark
end

local function sh(dir, line) return t.run({ "sh", "-c", line }, { cwd = dir, timeout = 300 }) end

local function processes(mark)
  local pattern = "[" .. mark:sub(1, 1) .. "]" .. mark:sub(2):gsub("%.", "[.]")
  local r = t.run { "sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c -- 'sleep " .. pattern .. "'" }
  return tonumber(r.out) or 0
end

-- Starts the strategy in the background; returns the shell's words for its pid.
local function start(dir, mark, options)
  sh(dir, t.quote(t.erlua) .. " base.lua --study s " .. (options or "") .. " >out 2>err </dev/null & echo $! >pid")
  t.await("the job sleeps", function() return t.run({ "pgrep", "-fx", "sleep " .. mark }).code == 0 end)
end

local function cancel(dir, ...) return t.run({ t.erlua, "cancel", "s", ... }, { cwd = dir }) end

t.test("jobs that a killed engine left are ended, and their trials stay open", function()
  local dir, mark = workshop()
  start(dir, mark)
  sh(dir, "kill -9 $(cat pid)")
  t.ok(processes(mark) > 0, "the job goes on without its engine")
  local r = cancel(dir)
  t.eq({ r.code, r.out, r.err }, { 0, "1 job ended; the trials stay open, and `erlua resume` runs them again\n", "" })
  t.eq(processes(mark), 0)
  local all = t.ok(json.decode(t.run({ t.erlua, "trials", "s", "--json" }, { cwd = dir }).out))
  t.eq({ #all, all[1].outcome }, { 1, json.null })
  t.eq(cancel(dir).out, "no job of this study is running\n")
end)

t.test("a resume after it runs the cancelled job again", function()
  local dir, mark = workshop()
  start(dir, mark, "--no-sandbox")
  sh(dir, "kill -9 $(cat pid)")
  t.eq(cancel(dir).code, 0)
  t.write(dir .. "/go", "")
  local r = t.run({ t.erlua, "resume", "s" }, { cwd = dir })
  t.eq(r.code, 0, r.err)
  local all = t.ok(json.decode(t.run({ t.erlua, "trials", "s", "--json" }, { cwd = dir }).out))
  t.eq({ all[1].outcome, all[1].reward }, { "ok", 1.0 })
end)

t.test("the jobs of an engine that is there are ended too", function()
  local dir, mark = workshop()
  start(dir, mark)
  local pid = t.read(dir .. "/pid"):match("%d+")
  local r = cancel(dir, "--json")
  t.eq({ r.code, r.err }, { 0, "" })
  t.eq(json.decode(r.out), { cancelled = 1, still_running = 0, engine = true })
  t.eq(processes(mark), 0)
  t.await("the engine ends", function() return not (t.read("/proc/" .. pid .. "/status") or "Z"):find("State:%s*[^%sZ]") end)
  local all = t.ok(json.decode(t.run({ t.erlua, "trials", "s", "--json" }, { cwd = dir }).out))
  t.match(all[1].reason, "cancelled")
end)

t.test("a study must be named, and must be there", function()
  local r = t.run { t.erlua, "cancel" }
  t.eq(r.code, 2)
  t.match(r.err, "which study%?")
  t.eq(t.run({ t.erlua, "cancel", "nowhere" }).code, 1)
  t.match(t.run({ t.erlua, "cancel", "--help" }).out, "^usage: erlua cancel STUDY")
end)

return t
