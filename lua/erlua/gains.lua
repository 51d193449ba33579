-- gains.lua - is a score a gain, or noise?  Pure: it judges runs, wherever they were read.
-- A run is { outcome, reward, host, seed }; those of one machine are compared with each other.

local stats = require("erlua.stats")

local M = {}

local TIMES = 2                -- standard deviations in the search, standard errors of a confirmed gain

local function key(run) return run.host or "" end

---The runs of one machine.
---@param runs table[]
---@param host string|nil
---@return table[]
function M.on(runs, host)
  local out = {}
  for _, run in ipairs(runs) do
    if key(run) == (host or "") then out[#out + 1] = run end
  end
  return out
end

---What runs of the same program came to.
---@param runs table[]  of one machine
---@return {n: integer, failed: integer, rewards: number[], mean: number?, sd: number?, bar: number?} spread  bar: above it a
---  single run is better by more than 2 standard deviations; while the spread is unknown, by anything
function M.spread(runs)
  local rewards = {}
  for _, run in ipairs(runs) do
    if run.outcome == "ok" then rewards[#rewards + 1] = run.reward end
  end
  local mean, sd = stats.mean(rewards), stats.sd(rewards)
  return { n = #rewards, failed = #runs - #rewards, rewards = rewards, mean = mean, sd = sd,
    bar = mean and mean + TIMES * (sd or 0) }
end

---The same for each machine, in the order in which they came up.
---@param runs table[]
---@return {host: string, spread: table}[]
function M.by_host(runs)
  local out, known = {}, {}
  for _, run in ipairs(runs) do
    local host = key(run)
    if not known[host] then
      known[host] = true
      out[#out + 1] = { host = host, spread = M.spread(M.on(runs, host)) }
    end
  end
  return out
end

---What the trials of each machine are measured by.
---@param runs table[]  of the baseline
---@param what "bar"|"mean"
---@return table<string, number> levels  by host
---@return number|nil first  for a machine where the baseline has not been run yet
function M.levels(runs, what)
  local levels, first = {}, nil
  for _, h in ipairs(M.by_host(runs)) do
    levels[h.host] = h.spread[what]
    first = first or h.spread[what]
  end
  return levels, first
end

local function rewards_of(runs)
  local rewards, seeds = {}, {}
  for i, run in ipairs(runs) do rewards[i], seeds[i] = run.reward, run.seed end
  return rewards, seeds
end

local function failed(runs)
  for _, run in ipairs(runs) do
    if run.outcome ~= "ok" then return run end
  end
end

---Is a trial better than the baseline?  Its runs with fresh seeds are compared with the baseline's on the machine where they
---ran last; the run of the search is left out, for it was chosen for its reward.  Confirmed is
---  mean(fresh) - mean(baseline) >= 2 * sqrt(var(fresh) / #fresh + var(baseline) / #baseline), and more than 0:
---two standard errors of the difference (Welch).  One run that fails is enough not to be confirmed.
---@param fresh table[]  the trial's runs
---@param baseline table[]  the baseline's
---@return erlua.verdict verdict  without its trial
function M.judge(fresh, baseline)
  local host = fresh[#fresh].host
  local runs, base = M.on(fresh, host), M.spread(M.on(baseline, host))
  local bad = failed(runs) or { outcome = "ok" }
  local rewards, seeds = rewards_of(runs)
  local v = { host = host, outcome = bad.outcome, stage = bad.stage, reason = bad.reason, seeds = seeds, baseline = base,
    confirmed = false }
  if bad.outcome ~= "ok" then return v end
  v.rewards, v.mean, v.sd = rewards, stats.mean(rewards), stats.sd(rewards)
  v.difference, v.standard_error, v.degrees = stats.welch(rewards, base.rewards)
  v.confirmed = v.difference ~= nil and v.difference > 0 and v.difference >= TIMES * v.standard_error
  return v
end

---Do two lists of rewards rank alike?
---@param rewards {[1]: number, [2]: number}[]  of each idea: here, and elsewhere
---@return number|nil rho  Spearman's; nil if it cannot be said
function M.correlation(rewards)
  local a, b = {}, {}
  for i, r in ipairs(rewards) do a[i], b[i] = r[1], r[2] end
  return stats.spearman(a, b)
end

return M
