-- progress.lua: how far a search is, as one line of a terminal, and small graphs.
-- Formatting only: who draws the line decides when and where.

local text = require("erlua.text")

local M = {}

local Progress = {}
Progress.__index = Progress

local BARS = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }

---@class erlua.progress.stats
---@field done integer            trials that ended
---@field total? integer          trials that there will be
---@field epoch? integer
---@field epochs? integer
---@field outcomes table<string, integer>  how many ended how
---@field best? number
---@field mean? number            of the trials that have a reward
---@field busy? integer           slots in use
---@field slots? integer
---@field left? number            seconds until the end, estimated
---@field and_then? string        what comes behind that, of which nothing can be said: "with preset small"
---@field spent? string           "$3.12/20  412 calls"
---@field note? string            takes the place of the time left ("stopping: 12s at most")

local function failures(outcomes)
  local names, n = {}, 0
  for name, count in pairs(outcomes or {}) do
    if name ~= "ok" and count > 0 then
      names[#names + 1] = name
      n = n + count
    end
  end
  table.sort(names, function(a, b)
    if outcomes[a] ~= outcomes[b] then return outcomes[a] > outcomes[b] end
    return a < b
  end)
  return n, names
end

-- "25 failed (crash 10, timeout 8, …)" with at most `most` outcomes named.
local function failed_words(s, most)
  local n, names = failures(s.outcomes)
  if n == 0 then return nil end
  local out = {}
  for i, name in ipairs(names) do
    if i > most then out[i] = "…" break end
    out[i] = name:gsub("_", " ") .. " " .. s.outcomes[name]
  end
  return n .. " failed" .. (most > 0 and " (" .. table.concat(out, ", ") .. ")" or "")
end

local function ending(s, label)
  if s.note then return s.note end
  return s.left and text.duration(s.left) .. (s.and_then and "+" or "") .. label or nil
end

local function count_words(s) return s.total and s.done .. "/" .. s.total or tostring(s.done) end

-- The forms of the line, the richest first; each is a list of parts, nil where unknown.
local function forms(s)
  local ok = (s.outcomes and s.outcomes.ok or 0) .. " ok"
  local best, mean = s.best and "best " .. text.number(s.best), s.mean and "mean " .. text.number(s.mean)
  local epoch = s.epoch and "epoch " .. s.epoch .. (s.epochs and "/" .. s.epochs or "")
  local slots = s.slots and "slots " .. (s.busy or 0) .. "/" .. s.slots
  local n = failures(s.outcomes)
  local bad = n > 0 and n .. " failed" or nil
  local trials, count = "trials " .. count_words(s), count_words(s)
  local best4 = s.best and "best " .. text.number(s.best, 4)
  return {
    { n = 9, epoch, trials, ok, failed_words(s, 3), best, mean, slots, s.spent, ending(s, " left") },
    { n = 9, epoch, count, ok, failed_words(s, 2), best, mean, slots, s.spent, ending(s, " left") },
    { n = 9, epoch, count, ok, failed_words(s, 1), best, mean, slots, s.spent, ending(s, " left") },
    { n = 8, count, ok, failed_words(s, 1), best, mean, slots, s.spent, ending(s, " left") },
    { n = 8, count, ok, bad, best, mean, slots, s.spent, ending(s, " left") },
    { n = 7, count, ok, bad, best, mean, s.spent, ending(s, "") },
    { n = 6, count, ok, bad, best4, s.spent, ending(s, "") },
    { n = 4, count, bad, best4, ending(s, "") },
    { n = 3, count, best4, ending(s, "") },
  }
end

local function joined(parts, between)
  local out = {}
  for i = 1, parts.n do
    if parts[i] then out[#out + 1] = text.clean(parts[i]) end
  end
  return table.concat(out, between)
end

---One line that fits in `width` columns; the less room, the less it says.
---@param stats erlua.progress.stats
---@param width integer
---@return string
function M.line(stats, width)
  local line
  for _, parts in ipairs(forms(stats)) do
    for _, between in ipairs { "  ", " " } do
      line = joined(parts, between)
      if text.width(line) <= width then return line end
    end
  end
  return text.cut(line, width)
end

---The same in a sentence, for logs and where there is no terminal.
---@param s erlua.progress.stats
---@return string
function M.plain(s)
  local out = {}
  local where = s.epoch and string.format("epoch %d%s, ", s.epoch, s.epochs and " of " .. s.epochs or "") or ""
  out[1] = where .. "trial " .. s.done .. (s.total and " of " .. s.total or "") .. ": "
    .. (s.outcomes and s.outcomes.ok or 0) .. " ok"
  local bad = failed_words(s, 20)
  if bad then out[1] = out[1] .. ", " .. bad end
  if s.best then
    out[#out + 1] = "best " .. text.number(s.best) .. (s.mean and ", mean " .. text.number(s.mean) or "")
  end
  if s.slots then out[#out + 1] = (s.busy or 0) .. " of " .. text.count(s.slots, "slot") .. " busy" end
  if s.spent then out[#out + 1] = (s.spent:gsub("  ", ", ")) end
  if s.note then out[#out + 1] = s.note
  elseif s.left then out[#out + 1] = "about " .. text.duration(s.left) .. " left" .. (s.and_then and ", and then the runs " .. s.and_then or "") end
  return (table.concat(out, "; "):gsub("%c", " "))
end

---A search's counts as they grow.
---@param o {total: integer?, slots: integer?, now: number}  now: seconds on any clock that does not jump
function M.new(o)
  return setmetatable({ total = o.total, slots = o.slots, began = o.now, done = 0, fresh = 0, busy = 0,
    outcomes = {}, sum = 0.0, rewards = 0, reruns = 0, reruns_expected = 0 }, Progress)
end

---Counts a trial that ended.  One known from an earlier run says so, for the time left is
---estimated from those of this run.
---@param trial {outcome: string, reward: number?}
---@param known? boolean
function Progress:add(trial, known)
  self.done = self.done + 1
  if not known then self.fresh = self.fresh + 1 end
  self.outcomes[trial.outcome] = (self.outcomes[trial.outcome] or 0) + 1
  local r = trial.reward
  if r and r == r then
    self.sum, self.rewards = self.sum + r, self.rewards + 1
    if not self.best or r > self.best then self.best = r end
  end
end

---Counts a trial that has run again, which takes as long as one: the baseline's repeats, confirmation.
---@param known? boolean
function Progress:add_rerun(known)
  self.reruns = self.reruns + 1
  if not known then self.fresh = self.fresh + 1 end
end

---What M.line and M.plain take.
---@param now number
---@return erlua.progress.stats
function Progress:stats(now)
  local left
  if self.total and self.fresh > 0 and self.total > self.done then
    local to_come = self.total - self.done + math.max(0, self.reruns_expected - self.reruns)
    left = (now - self.began) / self.fresh * to_come
  end
  return { done = self.done, total = self.total, epoch = self.epoch, epochs = self.epochs, outcomes = self.outcomes,
    best = self.best, mean = self.rewards > 0 and self.sum / self.rewards or nil, busy = self.busy, slots = self.slots,
    left = left, and_then = self.and_then, spent = self.spent, note = self.note }
end

local function finite(x) return type(x) == "number" and x == x and x ~= math.huge and x ~= -math.huge end

-- The mean of the finite values of each of `n` equal stretches; false where there is none.
local function stretches(values, count, n)
  local out = {}
  for i = 1, n do
    local from, to = (i - 1) * count // n + 1, i * count // n
    local mean, k = 0.0, 0
    for j = from, to do
      if finite(values[j]) then
        k = k + 1
        mean = mean + (values[j] / k - mean / k)       -- divided first: a sum could overflow
      end
    end
    out[i] = k > 0 and mean
  end
  return out
end

---A graph of one line, ▁ the least to █ the greatest; a gap where a value is missing or not finite.
---@param values number[]
---@param width? integer  columns at most (40)
---@param count? integer  length of the list, if it has holes
---@return string
function M.sparkline(values, width, count)
  count = count or #values
  local means = stretches(values, count, math.min(count, width or 40))
  local low, high = math.huge, -math.huge
  for _, v in ipairs(means) do
    if v then low, high = math.min(low, v), math.max(high, v) end
  end
  local out = {}
  for i, v in ipairs(means) do
    if not v then out[i] = " "
    elseif high == low then out[i] = BARS[4]
    else
      local share = (v / 2 - low / 2) / (high / 2 - low / 2)
      out[i] = BARS[math.min(8, math.floor(share * 8) + 1)]
    end
  end
  return table.concat(out)
end

return M
