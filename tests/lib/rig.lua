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

-- An environment whose editable file is a shell script: what it leaves as `answer` is
-- the score, if it is a number.
local EVALUATE = [[
answer=$(cat "$ERLUA_OUT/answer") || exit 3
case "$answer" in ''|*[!0-9]*) echo "the answer is no number" >&2; exit 4;; esac
echo "{\"score\": $answer}" > "$ERLUA_METRICS"
]]

---env.lua of such an environment; fields are Lua source and take the place of the usual ones.
function M.env_lua(fields)
  local all = { name = '"small"', editable = '{ "idea.sh" }', train = '{ "sh", "idea.sh" }', evaluate = '{ "sh", "evaluate.sh" }',
    metric = '"score"', direction = '"max"', data = '{ "hidden.txt" }', limits = '{ wall = "200s", grace = "0.1s" }' }
  for name, source in pairs(fields or {}) do all[name] = source end
  local lines = {}
  for name, source in pairs(all) do
    if source then lines[#lines + 1] = "  " .. name .. " = " .. source .. "," end
  end
  table.sort(lines)
  return "return {\n" .. table.concat(lines, "\n") .. "\n}\n"
end

---@param idea string  the editable script
---@param fields? table<string, string>  of env.lua
---@param files? table<string, string>  further files
function M.env(idea, fields, files)
  local out = { ["env.lua"] = M.env_lua(fields), ["idea.sh"] = idea, ["evaluate.sh"] = EVALUATE, ["hidden.txt"] = "the hidden answer\n" }
  for path, bytes in pairs(files or {}) do out[path] = bytes end
  return out
end

---A reply that puts a whole file.
function M.whole(path, bytes) return path .. "\n```\n" .. bytes .. "```\n" end

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
  local r = t.run(argv, { env = run.environ, timeout = run.timeout or 600, cwd = dir })
  r.dir, r.trials = dir, read(dir .. "/study/study.db")
  r.baseline = r.trials and r.trials[1]
  if not r.baseline then r.baseline = { jobs = {} } end
  return r
end

---Whether a process has this word as one of its arguments.
function M.process_with(t, word)
  for path in t.run({ "sh", "-c", "echo /proc/[0-9]*/cmdline" }).out:gmatch("%S+") do
    if ("\0" .. (t.read(path) or "")):find("\0" .. word .. "\0", 1, true) then return true end
  end
  return false
end

return M
