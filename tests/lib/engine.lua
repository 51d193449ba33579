-- engine.lua: engines as processes, for tests that kill, stop and compare them.
--
--   local engine = dofile(t.source .. "/tests/lib/engine.lua")(t)
--
-- A process started here ends with its task: cancelling it is kill -9.

local json = require("erlua.json")

return function(t)
  local M = { env = t.source .. "/tests/envs/shell" }

  ---Runs erlua to its end.
  ---@param args string[]
  ---@param opts? {cwd: string?, fault: string?, timeout: number?, env: table?}
  ---@return {code: integer, signal: integer, stdout: string, stderr: string}
  function M.run(args, opts)
    opts = opts or {}
    local argv = { "env", "-u", "ERLUA_FAULT" }
    if opts.fault then argv[#argv + 1] = "ERLUA_FAULT=" .. opts.fault end
    for k, v in pairs(opts.env or {}) do argv[#argv + 1] = k .. "=" .. v end
    argv[#argv + 1] = t.erlua
    table.move(args, 1, #args, #argv + 1, argv)
    argv.cwd, argv.timeout = opts.cwd, opts.timeout or 120
    return assert(erlua.exec(argv))
  end

  ---Starts erlua and kills it with SIGKILL after some seconds; the result if it ended before.
  function M.killed(args, seconds, opts)
    local ran = erlua.spawn(M.run, args, opts)
    local result = erlua.timeout(seconds, function() return select(2, ran:wait()) end)
    if result then return result end
    ran:cancel()
    ran:wait()
  end

  ---Starts erlua in the background; result() waits for its end.
  function M.start(args, opts)
    local ran = erlua.spawn(M.run, args, opts)
    return { result = function() return select(2, ran:wait()) end, done = function() return ran:done() end }
  end

  ---The pid of the engine that holds a study, once it does.
  function M.pid(dir)
    for _ = 1, 1000 do
      local pid = (t.read(dir .. "/lock") or ""):match("^pid (%d+)")
      if pid and os.execute("kill -0 " .. pid .. " 2>/dev/null") then return math.tointeger(pid) end
      erlua.sleep(0.005)
    end
    error("no engine holds " .. dir)
  end

  function M.signal(name, pid) assert(os.execute("kill -" .. name .. " " .. pid)) end

  ---What one SQL statement says, rows as lines.
  function M.sql(dir, statement)
    local r = assert(erlua.exec { "sqlite3", "-cmd", ".timeout 5000", dir .. "/study.db", statement })
    if r.code ~= 0 then error("sqlite3: " .. r.stderr) end
    return (r.stdout:gsub("\n$", ""))
  end

  ---Running jobs of a study: supervisors whose claim is in its folder.
  function M.processes(dir)
    local r = assert(erlua.exec { "pgrep", "-fa", "--", dir .. "/jobs/" })
    return (r.stdout:gsub("[^\n]*pgrep[^\n]*\n", ""))
  end

  local FIELDS = { "id", "epoch", "idea", "parents", "patch", "outcome", "reward", "metrics" }

  ---The trials as `erlua trials --json` prints them, in what a resumed run must repeat.
  function M.trials(dir)
    local r = M.run { "trials", dir, "--json" }
    if r.code ~= 0 then error("erlua trials: " .. r.stderr) end
    local out = {}
    for i, row in ipairs(assert(json.decode(r.stdout))) do
      out[i] = {}
      for _, name in ipairs(FIELDS) do out[i][name] = row[name] end
    end
    return out
  end

  ---Nothing was lost or run twice, nothing is left, and the study equals the one it should.
  function M.check(dir, want, trials)
    t.eq(M.sql(dir, "SELECT count(*), sum(outcome IS NULL) FROM trials"), trials .. "|0")
    t.eq(M.sql(dir, "SELECT group_concat(id) FROM jobs WHERE starts <> 1 OR ended IS NULL"), "", "jobs not run exactly once")
    t.eq(M.sql(dir, "PRAGMA integrity_check"), "ok")
    t.eq((assert(erlua.exec { "ls", dir .. "/jobs" }).stdout), "", "folders left")
    if want then t.eq(M.trials(dir), want) end
    erlua.sleep(1)
    t.eq(M.processes(dir), "", "processes left")
    local r = M.run { "replay", dir }
    t.eq({ r.code, r.stderr }, { 0, "" }, "replay")
  end

  return M
end
