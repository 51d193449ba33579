-- rig.lua: real studies on small environments, for tests of what a job may do and
-- how its trial ends.  A study is driven by a strategy of a few lines, and what it
-- left is read from its own file.

local M = {}

-- Applies each reply as one trial, behind the baseline; nothing of it raises.
M.STRATEGY = [[
local opt = erlua.options { env = "", replies = "" }
local study = erlua.study(opt)
pcall(study.baseline, study)
local file = opt.replies ~= "" and io.open(opt.replies, "rb")
local replies = file and erlua.json.decode(file:read("a")) or {}
for _, reply in ipairs(replies) do
  local idea = { id = study.next_id, epoch = 1, text = "a reply", prompt = "first", model = "test", reply = reply, parents = {} }
  study.next_id = study.next_id + 1
  require("erlua.ideas").put(idea)
  study:trial(idea)
end
]]

---Why the sandbox does not work here, or nil.
function M.sandbox_error()
  return require("erlua.core.job").probe().sandbox_error
end

---Skips the running test where the sandbox does not work.
function M.needs_sandbox(t)
  local why = M.sandbox_error()
  if why then t.skip(why) end
end

-- The trials of a study file, each with its jobs by stage.
local function read(path)
  local store, message = require("erlua.core.study").open(path)
  if not store then return nil, message end
  local trials = store:query("trials")
  for _, trial in ipairs(trials) do
    trial.jobs = {}
    for _, job in ipairs(store:query("jobs_of_trial", trial.id)) do trial.jobs[job.stage] = job end
  end
  store:close()
  return trials
end

---Runs a study to its end.
---@param t table  the test file's tap
---@param run {env: table<string, string>, replies: string[]?, args: string[]?, environ: table?, dir: string?, timeout: number?}
---@return {code: integer, out: string, err: string, dir: string, trials: table[]?, baseline: table?}
function M.study(t, run)
  local dir = run.dir or t.tmpdir()
  for path, bytes in pairs(run.env) do t.write(dir .. "/env/" .. path, bytes) end
  t.write(dir .. "/drive.lua", M.STRATEGY)
  local argv = { t.erlua, dir .. "/drive.lua", "--env", dir .. "/env", "--study", dir .. "/study", "--slots", "2" }
  if run.replies then
    t.write(dir .. "/replies.json", require("erlua.core.json").encode(run.replies))
    table.move({ "--replies", dir .. "/replies.json" }, 1, 2, #argv + 1, argv)
  end
  table.move(run.args or {}, 1, #(run.args or {}), #argv + 1, argv)
  local r = t.run(argv, { env = run.environ, timeout = run.timeout or 60, cwd = dir })
  r.dir, r.trials = dir, read(dir .. "/study/study.db")
  r.baseline = r.trials and r.trials[1]
  return r
end

return M
