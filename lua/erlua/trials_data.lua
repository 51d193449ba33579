-- trials_data.lua - trials as `erlua trials --json` has them: only what the study holds,
-- with null where a value is absent.

local fs = require("erlua.core.fs")
local json = require("erlua.json")

local M = {}

-- Texts in a study may come from anywhere; JSON holds UTF-8 only.
local function clean(s) return s and s ~= "" and fs.clean(s) or json.null end

local function or_null(v) if v == nil then return json.null end return v end

---The rows of a query; raises what is wrong with a file that cannot be read.
---@param store erlua.store
---@param name string
---@return table[]
function M.rows(store, name, ...)
  local rows, message = store:query(name, ...)
  if not rows then error(message, 0) end
  return rows
end

-- Money: 0 without calls, null where the price of one is not known.
local function cost_of(row)
  if (row.calls or 0) == 0 then return 0 end
  return or_null(row.cost)
end

local function with_calls(row, c)
  if c then row.calls, row.tokens, row.cost = c.calls, c.tokens, c.cost end
  return row
end

---A row of the study as a trial.
---@param row table  from the queries "trials", "trial" or "best_trials"
---@return erlua.trial
function M.trial(row)
  local metrics = row.metrics and json.decode(row.metrics)
  return {
    id = row.id, epoch = row.epoch, idea = clean(row.idea), prompt = clean(row.prompt), model = clean(row.model),
    implementer = clean(row.implementer), calls = row.calls or 0, tokens = row.tokens or 0, cost = cost_of(row),
    parents = json.decode(row.parents) or {}, outcome = or_null(row.outcome), stage = or_null(row.stage),
    reason = clean(row.reason), reward = or_null(row.reward), metrics = type(metrics) == "table" and metrics or json.null,
    patch = or_null(row.patch), wall_s = or_null(row.wall_s), host = or_null(row.host), review = clean(row.review),
    trusted = row.trusted ~= 0,
  }
end

---All trials, by their numbers.
---@return erlua.trial[]
function M.list(store)
  local rows, calls = M.rows(store, "trials"), {}
  for _, c in ipairs(M.rows(store, "trial_calls")) do calls[c.trial] = c end
  local verdicts = require("erlua.gains_data").verdicts(store)
  for i, row in ipairs(rows) do
    rows[i] = M.trial(with_calls(row, calls[row.id]))
    rows[i].confirmed = verdicts[row.id] and verdicts[row.id].confirmed
    if not verdicts[row.id] then rows[i].confirmed = json.null end
  end
  return rows
end

local function job(row)
  return { id = row.id, stage = row.stage, ended = or_null(row.ended), exit_code = or_null(row.exit_code),
    signal = or_null(row.signal), reason = clean(row.reason), starts = or_null(row.starts), wall_s = or_null(row.wall_s),
    cpu_s = or_null(row.cpu_s), peak_memory = or_null(row.peak_memory), log = clean(row.log) }
end

-- Curves by their names, in the order of their points: those of the last job that has one.
local function curves(rows)
  local out, names = {}, {}
  for _, p in ipairs(rows) do
    local c = out[p.name]
    if not c or c.job ~= p.job then
      if not c then names[#names + 1] = p.name end
      c = { name = clean(p.name), job = p.job, steps = {}, values = {} }
      out[p.name] = c
    end
    c.steps[#c.steps + 1] = or_null(p.step)
    c.values[#c.values + 1] = p.value
  end
  table.sort(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = out[name] end
  return list
end

local function rerun(row)
  return { id = row.id, purpose = row.purpose, seed = row.seed, preset = or_null(row.preset), outcome = or_null(row.outcome),
    stage = or_null(row.stage), reason = clean(row.reason), reward = or_null(row.reward), host = or_null(row.host),
    wall_s = or_null(row.wall_s), metrics = row.metrics and json.decode(row.metrics) or json.null,
    review = clean(row.review) }
end

---One trial with all that the study keeps of it: its jobs, its curves, its diff, its re-runs.
---@param id integer
---@return erlua.trial|nil trial
---@return string? message
---@return string? code
function M.one(store, id)
  local rows = M.rows(store, "trial", id)
  if not rows[1] then return nil, "there is no trial " .. tostring(id), "ENOENT" end
  local t = M.trial(with_calls(rows[1], M.rows(store, "calls_of_trial", id)[1]))
  local patch = rows[1].patch and M.rows(store, "patch", rows[1].patch)[1]
  t.diff = patch and fs.clean(patch.diff) or json.null
  t.jobs = M.rows(store, "jobs_of_trial", id)
  for i, row in ipairs(t.jobs) do t.jobs[i] = job(row) end
  t.implementations = M.rows(store, "implementations_of_trial", id)
  for _, m in ipairs(t.implementations) do m.message = clean(m.message) end
  t.reruns = M.rows(store, "reruns_of_trial", id)
  for i, row in ipairs(t.reruns) do t.reruns[i] = rerun(row) end
  local verdict = require("erlua.gains_data").verdicts(store)[id]
  t.confirmed = or_null(verdict and verdict.confirmed)
  t.curves = curves(M.rows(store, "curve", id))
  return t
end

---The diff of a trial as it is stored, byte for byte; "" for one that changes nothing.
---@return string|nil diff
---@return string? message
---@return string? code
function M.diff(store, id)
  local rows = M.rows(store, "trial_patch", id)
  if not rows[1] then return nil, "there is no trial " .. tostring(id), "ENOENT" end
  if not rows[1].diff then return nil, "trial " .. id .. " has no patch: its idea was not applied", "no_patch" end
  return rows[1].diff
end

return M
