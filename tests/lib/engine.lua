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
  ---@param opts? {cwd: string?, fault: string?, timeout: number?, env: table?, stderr: string?, slow: boolean?}  stderr: a file that
  --- gets it, too; slow: what it says of a machine that is slow, or stands still, is wanted
  ---@return {code: integer, signal: integer, stdout: string, stderr: string}
  function M.run(args, opts)
    opts = opts or {}
    local argv = opts.stderr and { "/bin/sh", "-c", 'exec "$@" 2> "$0"', opts.stderr } or {}
    table.move({ "env", "-u", "ERLUA_FAULT" }, 1, 3, #argv + 1, argv)
    if opts.fault then argv[#argv + 1] = "ERLUA_FAULT=" .. opts.fault end
    for k, v in pairs(opts.env or {}) do argv[#argv + 1] = k .. "=" .. v end
    argv[#argv + 1] = t.erlua
    table.move(args, 1, #args, #argv + 1, argv)
    argv.cwd, argv.timeout = opts.cwd, opts.timeout or 600
    local r = assert(erlua.exec(argv))
    if opts.stderr then r.stderr = t.read(opts.stderr) or "" end
    if not opts.slow then r.stderr = t.unhurried(r.stderr) end
    return r
  end

  -- Starts erlua and kills it with SIGKILL after some seconds; the result if it ended before.
  local function killed_after(seconds, args, opts)
    local ran = erlua.spawn(M.run, args, opts)
    local result = erlua.timeout(seconds, function() return select(2, ran:wait()) end)
    if result then return result end
    ran:cancel()
    ran:wait()
  end

  ---Runs a study that is killed with SIGKILL at random moments, `most` times, and then left alone.  One that ends before
  ---it was killed `least` times was too fast for it: another one is killed sooner.
  ---@param new fun(): string[]  the command line of a study that is not there yet
  ---@param least integer
  ---@param most integer
  ---@param opts? {after: fun()?, timeout: number?}  after: called after each kill; the rest is run's
  ---@return integer kills
  function M.kill_often(new, least, most, opts)
    local after = opts and opts.after
    local within = 0.3
    while true do
      local args, kills, r = new(), 0, nil
      repeat
        if kills < most then r = killed_after(within * (0.15 + 0.85 * math.random()), args, opts) else r = M.run(args, opts) end
        if not r then
          kills = kills + 1
          if after then after() end
        end
      until r
      t.eq(r.code, 0, r.stderr)
      if kills >= least then return kills end
      within = within / 2
    end
  end

  ---Starts erlua in the background.  result() waits for its end, said() is what it has said so far.
  function M.start(args, opts)
    local file, with = t.tmpdir() .. "/stderr", {}
    for k, v in pairs(opts or {}) do with[k] = v end
    with.stderr = file
    local ran = erlua.spawn(M.run, args, with)
    return { result = function() return select(2, ran:wait()) end, done = function() return ran:done() end,
      said = function() return t.read(file) or "" end }
  end

  ---The pid of the engine that holds a study, once it does.
  function M.pid(dir)
    return t.await("an engine holds " .. dir, function()
      local pid = (t.read(dir .. "/lock") or ""):match("^pid (%d+) ")
      return pid and os.execute("kill -0 " .. pid .. " 2>/dev/null") and math.tointeger(pid)
    end)
  end

  function M.signal(name, pid) assert(os.execute("kill -" .. name .. " " .. pid)) end

  ---What one SQL statement says, rows as lines.
  function M.sql(dir, statement)
    local r = assert(erlua.exec { "sqlite3", "-cmd", ".timeout 100000", dir .. "/study.db", statement })
    if r.code ~= 0 then error("sqlite3: " .. r.stderr) end
    return (r.stdout:gsub("\n$", ""))
  end

  ---An environment whose trials wait, once their patch has changed the program, until they are let go on: jobs that
  ---are there for as long as a test needs them.
  ---@return string env, fun() go_on
  function M.gated()
    local dir = t.tmpdir("/var/tmp")           -- jobs can be shown no part of /tmp
    local gate, env = dir .. "/gate", dir .. "/env"
    local program = assert(t.read(M.env .. "/program.lua"))
    t.write(gate .. "/pristine", program)
    t.write(env .. "/program.lua", program)
    t.write(env .. "/env.lua", ([[
      local wait = "cmp -s program.lua @/pristine || until test -e @/open; do sleep 0.02; done; "
      return { name = "shell", editable = { "program.lua" }, read = { "@" },
        train = { "/bin/sh", "-c", wait .. "cp program.lua $ERLUA_OUT/program" },
        evaluate = { "/bin/sh", "-c", "echo \"{\\\"size\\\":$(wc -c < $ERLUA_OUT/program)}\" > $ERLUA_METRICS" },
        metric = "size", direction = "max" }
    ]]):gsub("@", gate))
    return env, function() t.write(gate .. "/open", "") end
  end

  ---How many jobs of a study have begun and not ended.
  function M.running(dir)
    local n = 0
    for name in (assert(erlua.exec { "ls", dir .. "/jobs" }).stdout):gmatch("%d+") do
      local folder = dir .. "/jobs/" .. name
      if (t.read(folder .. "/started") or "") ~= "" and not t.read(folder .. "/exit") then n = n + 1 end
    end
    return n
  end

  ---Processes of a study's running jobs: supervisors whose claim is in its folder.
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

  ---Waits until no process of a study's jobs is left: a supervisor ends a moment after its job.
  function M.gone(dir) t.await("the processes of " .. dir .. " are gone", function() return M.processes(dir) == "" end) end

  ---Nothing was lost or run twice, nothing is left, and the study equals the one it should.
  function M.check(dir, want, trials)
    t.eq(M.sql(dir, "SELECT count(*), sum(outcome IS NULL) FROM trials"), trials .. "|0")
    t.eq(M.sql(dir, "SELECT group_concat(id) FROM jobs WHERE starts <> 1 OR ended IS NULL"), "", "jobs not run exactly once")
    t.eq(M.sql(dir, "PRAGMA integrity_check"), "ok")
    t.eq((assert(erlua.exec { "ls", dir .. "/jobs" }).stdout), "", "folders left")
    if want then t.eq(M.trials(dir), want) end
    M.gone(dir)
    local r = M.run { "replay", dir }
    t.eq({ r.code, r.stderr }, { 0, "" }, "replay")
  end

  return M
end
