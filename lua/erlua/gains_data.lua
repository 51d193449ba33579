-- gains_data.lua - what a study's re-runs say, read from its rows: the spread of its baseline,
-- which trials are gains, whether ideas rank alike at another scale.

local gains = require("erlua.gains")
local json = require("erlua.json")
local trials = require("erlua.trials_data")

local M = {}

-- The re-runs of a purpose by their trials, in the order of their numbers.
local function by_trial(rows, purpose)
  local out, order = {}, {}
  for _, run in ipairs(rows) do
    if run.purpose == purpose then
      if not out[run.trial] then
        out[run.trial] = {}
        order[#order + 1] = run.trial
      end
      table.insert(out[run.trial], run)
    end
  end
  return out, order
end

-- All runs of the baseline that have ended.
local function baseline_runs(store, rows)
  local first, seed = trials.rows(store, "baseline_trial")[1], trials.rows(store, "study")[1].seed
  if not first or not first.outcome then return {} end
  local out = { { outcome = first.outcome, reward = first.reward, host = first.host, seed = seed } }
  for _, run in ipairs(rows) do
    if run.purpose == "baseline" and run.outcome then out[#out + 1] = run end
  end
  return out
end

local function is_open(runs)
  for _, run in ipairs(runs) do
    if not run.outcome then return true end
  end
  return false
end

-- A trial's verdict, or nothing while its runs are not over.
local function verdict(runs, baseline)
  if not runs or is_open(runs) then return nil end
  local v = gains.judge(runs, baseline)
  v.share = v.difference and v.baseline.mean ~= 0 and v.difference / math.abs(v.baseline.mean) or nil
  return v
end

---The verdicts of all trials that were confirmed or not, by their numbers.
---@param store erlua.store
---@return table<integer, table> verdicts  of gains.judge, with share
function M.verdicts(store)
  local rows, out = trials.rows(store, "reruns"), {}
  local baseline = baseline_runs(store, rows)
  for trial, runs in pairs((by_trial(rows, "confirm"))) do out[trial] = verdict(runs, baseline) end
  return out
end

local function describe(store, id)
  local row = trials.rows(store, "trial", id)[1]
  local t = trials.trial(row)
  return { id = id, epoch = t.epoch, idea = t.idea, reward = row.reward, trusted = t.trusted, review = t.review }
end

-- Gains first, the largest first; then the others by what the search made of them.
local function first_gains(a, b)
  if a.confirmed ~= b.confirmed then return a.confirmed end
  if a.confirmed then return a.mean > b.mean end
  return (a.reward or -math.huge) > (b.reward or -math.huge)
end

local function judged(store, rows, baseline)
  local runs, order = by_trial(rows, "confirm")
  local list = {}
  for _, id in ipairs(order) do
    local g, v = describe(store, id), verdict(runs[id], baseline) or { confirmed = false, outcome = "open" }
    for name, x in pairs(v) do g[name] = x end
    g.baseline = v.baseline and v.baseline.mean
    list[#list + 1] = g
  end
  table.sort(list, first_gains)
  return list
end

-- One preset: each idea's reward in the search and there, the best of the search first.
local function scale(store, rows, preset)
  local list, rewards, base = {}, {}, nil
  for _, run in ipairs(rows) do
    local t = run.preset == preset and run.purpose == "generalize" and trials.rows(store, "trial", run.trial)[1]
    if t and t.prompt == "baseline" then base = run.reward
    elseif t then
      list[#list + 1] = { id = t.id, reward = t.reward, there = run.reward, outcome = run.outcome or "open" }
      if run.reward then rewards[#rewards + 1] = { t.reward, run.reward } end
    end
  end
  table.sort(list, function(a, b) return a.reward > b.reward end)
  return { preset = preset, baseline = base, n = #rewards, rank_correlation = gains.correlation(rewards), ideas = list }
end

local function scales(store, rows)
  local out, known = {}, {}
  for _, run in ipairs(rows) do
    if run.purpose == "generalize" and not known[run.preset] then
      known[run.preset] = true
      out[#out + 1] = scale(store, rows, run.preset)
    end
  end
  return out
end

local function above(store, runs)
  local levels, first = gains.levels(runs, "bar")
  return first and trials.rows(store, "report_above", json.encode(json.object(levels)), first)[1].n
end

local function confirms(store)
  for _, round in ipairs(trials.rows(store, "rounds")) do
    if round.kind == "confirm" then return true end
  end
  return false
end

---@param store erlua.store
---@return {baseline_runs: table[], above_baseline: integer?, confirmation: boolean, gains: table[], generalization: table[]}
function M.read(store)
  local rows = trials.rows(store, "reruns")
  local runs, hosts = baseline_runs(store, rows), {}
  for i, h in ipairs(gains.by_host(runs)) do
    hosts[i] = h.spread
    hosts[i].host = h.host
  end
  return { baseline_runs = hosts, above_baseline = above(store, runs), confirmation = confirms(store),
    gains = judged(store, rows, runs), generalization = scales(store, rows) }
end

return M
