-- kill.lua [KILLS [EPOCHS]] - the whole kill -9 row: a study of 300 trials whose jobs sleep 0.1 to
-- 0.4 s on 2 slots, an engine killed every 0.05 to 0.3 s until it was killed 200 times, compared
-- with the uninterrupted study of the same seed.  Run from the source folder; takes minutes.

local kills_wanted, epochs = math.tointeger(tonumber((...) or 200)), math.tointeger(tonumber((select(2, ...)) or 10))
local t = dofile((os.getenv("ERLUA_TEST_SOURCE") or ".") .. "/tests/lib/tap.lua")
local engine = dofile(t.source .. "/tests/lib/engine.lua")(t)

local dir = os.getenv("ERLUA_BENCH_DIR") or "/tmp/erlua-kill-" .. os.time()

local function search(name)
  return { "strategies/evolve.lua", "--env", engine.env, "--preset", "slow", "--epochs", tostring(epochs), "--batch", "30",
    "--slots", "2", "--study", dir .. "/" .. name }
end

local function say(format, ...) print(format:format(...)) end

local trials = epochs * 30 + 1
local whole = erlua.spawn(engine.run, search("whole"), { timeout = 3600 })
local began = os.time()
local kills = engine.kill_often(function() return search("killed") end, 0, kills_wanted, { timeout = 3600 })
erlua.sleep(1)
t.eq(engine.processes(dir .. "/killed"), "", "processes left 1 s after the end")
say("killed %d times in %d s; waiting for the uninterrupted study", kills, os.time() - began)
local _, r = whole:wait()
t.eq(r.code, 0, r.stderr)
engine.check(dir .. "/killed", engine.trials(dir .. "/whole"), trials)
say("%d trials, %d kills: 0 lost, one started line a job, no process left, equal to the uninterrupted study, replay equal", trials, kills)
os.execute("rm -rf " .. t.quote(dir))
