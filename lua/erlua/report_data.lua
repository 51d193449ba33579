-- report_data.lua - all that a report shows, read from the study alone: the same study
-- gives the same data on every machine and in every replay.

local fs = require("erlua.core.fs")
local json = require("erlua.json")
local diversity = require("erlua.diversity")
local trials = require("erlua.trials_data")

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

local function best_of(store, baseline)
  local row = trials.rows(store, "report_best")[1]
  if not row then return nil end
  local t = trials.trial(row)
  local diff = trials.diff(store, row.id)
  local gain = baseline and row.reward - baseline
  return { id = t.id, epoch = t.epoch, idea = t.idea, parents = t.parents, reward = row.reward, metrics = t.metrics,
    patch = row.patch, diff = fs.clean(diff or ""), improvement = gain,
    improvement_share = gain and baseline ~= 0 and gain / math.abs(baseline) or nil }
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
  return {
    models = trials.rows(store, "report_models"), calls = trials.rows(store, "report_calls"),
    questions = trials.rows(store, "report_questions")[1],
    study = dir, name = row.name, script = row.script, env = row.env, model = options.ideator or options.model,
    implementer = options.implementer, seed = row.seed, state = row.state, epochs_wanted = options.epochs, baseline = row.baseline, trials = n, funnel = rows,
    outcomes = outcomes, has_check = has_check(store), epochs = trials.rows(store, "report_epochs"),
    best = best_of(store, row.baseline), diversity = diversity_of(store), job_s = trials.rows(store, "report_work")[1].wall_s,
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

---The data with null for what is not known, as `erlua report --json` prints it.
---@param data table
---@return table
function M.document(data)
  local doc = with_nulls(data, { "baseline", "best", "epochs_wanted", "model", "implementer" })
  doc.outcomes = json.object(with_nulls(data.outcomes, {}))
  doc.diversity = with_nulls(data.diversity, { "distance" })
  doc.epochs, doc.funnel = {}, {}
  for i, e in ipairs(data.epochs) do doc.epochs[i] = with_nulls(e, { "best", "mean" }) end
  doc.models, doc.calls = {}, {}
  for i, m in ipairs(data.models) do doc.models[i] = with_nulls(m, { "implementer", "mean", "best" }) end
  for i, c in ipairs(data.calls) do doc.calls[i] = with_nulls(c, { "cost" }) end
  for i, f in ipairs(data.funnel) do doc.funnel[i] = with_nulls(f, { "stage" }) end
  if data.best then doc.best = with_nulls(data.best, { "improvement", "improvement_share" }) end
  return doc
end

return M
