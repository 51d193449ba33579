-- report_data.lua - all that a report shows, read from the study alone: the same study
-- gives the same data on every machine and in every replay.

local fs = require("erlua.core.fs")
local json = require("erlua.json")
local diversity = require("erlua.diversity")
local trials = require("erlua.trials_data")
local gains_data = require("erlua.gains_data")

local M = {}

local COMPARED = 200           -- patches whose distances are measured

local function funnel(store)
  local rows, outcomes, n = trials.rows(store, "report_funnel"), {}, 0
  for _, row in ipairs(rows) do
    n = n + row.n
    outcomes[row.outcome] = (outcomes[row.outcome] or 0) + row.n
    if row.stage == "" then row.stage = nil end
  end
  return rows, outcomes, n
end

-- What a trial is compared with: the baseline on the machine where it ran, if it was run there.
local function baseline_of(row, known, last)
  for _, h in ipairs(known.baseline_runs) do
    if h.host == (row.host or "") and h.mean then return h.mean end
  end
  return last
end

-- A trial with all that the report tells of it.
local function in_full(store, row, known, last, gain)
  local t, baseline = trials.trial(row), baseline_of(row, known, last)
  local above = baseline and row.reward and row.reward - baseline
  return { id = t.id, epoch = t.epoch, idea = t.idea, parents = t.parents, reward = row.reward, metrics = t.metrics,
    patch = row.patch, diff = fs.clean(trials.diff(store, row.id) or ""), confirmed = gain ~= nil and gain.confirmed,
    gain = gain,
    improvement = above, improvement_share = above and baseline ~= 0 and above / math.abs(baseline) or nil }
end

-- The trial with the highest reward, which may be luck, and the largest confirmed gain.
local function best_of(store, last, known)
  local row, list = trials.rows(store, "report_best")[1], known.gains
  local first = list[1]
  local judged, gained = nil, nil
  for _, g in ipairs(list) do
    if row and g.id == row.id then judged = g end
  end
  if first and first.confirmed then
    gained = in_full(store, trials.rows(store, "trial", first.id)[1], known, last, first)
  end
  return row and in_full(store, row, known, last, judged), gained
end

local function diversity_of(store)
  local list = {}
  for i, row in ipairs(trials.rows(store, "patch_sample", COMPARED)) do list[i] = row.diff end
  return { patches = trials.rows(store, "patch_count")[1].n, compared = #list, distance = diversity.mean_distance(list) }
end

local function has_check(store)
  for _, row in ipairs(trials.rows(store, "stages_run")) do
    if row.stage == "check" then return true end
  end
  return false
end

---@param store erlua.store
---@param dir string  the study's folder, to be named
---@return table data
function M.read(store, dir)
  local row = trials.rows(store, "study")[1]
  local options = json.decode(row.options)
  local rows, outcomes, n = funnel(store)
  local known = gains_data.read(store)
  local best, gained = best_of(store, row.baseline, known)
  return {
    models = trials.rows(store, "report_models"), calls = trials.rows(store, "report_calls"),
    questions = trials.rows(store, "report_questions")[1],
    study = dir, name = row.name, script = row.script, env = row.env, model = options.ideator or options.model,
    implementer = options.implementer, seed = row.seed, state = row.state, epochs_wanted = options.epochs,
    baseline = row.baseline, trials = n, funnel = rows,
    outcomes = outcomes, has_check = has_check(store), epochs = trials.rows(store, "report_epochs"),
    baseline_runs = known.baseline_runs, above_baseline = known.above_baseline, confirmation = known.confirmation,
    gains = known.gains, generalization = known.generalization, untrusted = trials.rows(store, "report_untrusted")[1].n,
    review = trials.rows(store, "report_review"),
    best = best, gained = gained, diversity = diversity_of(store), job_s = trials.rows(store, "report_work")[1].wall_s,
  }
end

local function with_nulls(t, names)
  local out = {}
  for name, v in pairs(t) do out[name] = v end
  for _, name in ipairs(names) do
    if out[name] == nil then out[name] = json.null end
  end
  return out
end

local GAIN = { "stage", "reason", "host", "review", "rewards", "seeds", "mean", "sd", "difference", "share",
  "standard_error", "degrees", "baseline" }

local function each_with_nulls(list, names)
  local out = {}
  for i, t in ipairs(list) do out[i] = with_nulls(t, names) end
  return out
end

---The data with null for what is not known, as `erlua report --json` prints it.
---@param data table
---@return table
function M.document(data)
  local doc = with_nulls(data, { "baseline", "best", "epochs_wanted", "model", "implementer", "above_baseline" })
  doc.outcomes = json.object(with_nulls(data.outcomes, {}))
  doc.diversity = with_nulls(data.diversity, { "distance" })
  doc.epochs = each_with_nulls(data.epochs, { "best", "mean" })
  doc.models = each_with_nulls(data.models, { "implementer", "mean", "best" })
  doc.calls = each_with_nulls(data.calls, { "cost" })
  doc.funnel = each_with_nulls(data.funnel, { "stage" })
  doc.baseline_runs = each_with_nulls(data.baseline_runs, { "mean", "sd", "bar" })
  doc.gains = each_with_nulls(data.gains, GAIN)
  doc.generalization = each_with_nulls(data.generalization, { "baseline", "rank_correlation" })
  for _, g in ipairs(doc.generalization) do g.ideas = each_with_nulls(g.ideas, { "there" }) end
  if data.best then doc.best = with_nulls(data.best, { "improvement", "improvement_share" }) end
  if data.best then doc.best.gain = nil end         -- it stands in `gains`
  doc.gained = nil
  return doc
end

return M
