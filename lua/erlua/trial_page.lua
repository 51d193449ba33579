-- trial_page.lua - one trial in a page: its idea, how it ended and why, its jobs' last
-- words, its curves, metrics and diff.

local json = require("erlua.json")
local text = require("erlua.text")
local progress = require("erlua.progress")
local pages = require("erlua.page")

local M = {}

local LOG_LINES = 12

local function known(v) if v ~= json.null then return v end return nil end

-- A value of a metrics object on one line.
local function value(v)
  if type(v) == "number" then return text.number(v, 8) end
  if type(v) == "string" then return v end
  return json.encode(v)
end

local function how_it_ended(t)
  local outcome = known(t.outcome)
  if not outcome then return "open: it has not ended yet" end
  if outcome == "ok" then return "ok" end
  return outcome .. " at " .. t.stage
end

local function ending(page, t)
  page:pair("outcome", how_it_ended(t))
  if known(t.reason) then page:pair("reason", t.reason) end
  if known(t.reward) then page:pair("reward", text.number(t.reward, 8)) end
  if not t.trusted then page:pair("untrusted", "scored outside the sandbox (--no-sandbox)") end
  if known(t.review) then page:pair("look at", t.review) end
  if known(t.confirmed) ~= nil then page:pair("confirmed", t.confirmed and "yes, a gain with fresh seeds" or "no") end
end

local function lines_of(s)
  local out = {}
  for line in s:gmatch("%S[^\n]*") do out[#out + 1] = line end
  return #out > 0 and out or { "" }
end

local function head(page, t)
  page:title("Trial " .. t.id .. ", epoch " .. t.epoch)
  ending(page, t)
  if #t.parents > 0 then page:pair("parents", table.concat(t.parents, ", ")) end
  page:pair("idea", lines_of(known(t.idea) or "-"))
  page:pair("from", (known(t.model) or "-") .. ", " .. (known(t.prompt) or "-"))
  if known(t.implementer) then page:pair("made by", t.implementer) end
  if t.calls > 0 then
    local cost = known(t.cost) and string.format("$%.4f", t.cost) or "at an unknown price"
    page:pair("asked", text.count(t.calls, "call") .. ", " .. text.count(t.tokens, "token") .. ", " .. cost)
  end
  if known(t.wall_s) then page:pair("time", pages.seconds(t.wall_s)) end
end

local function metrics(page, t)
  if not known(t.metrics) then return end
  page:title("Metrics")
  local widest = 0
  for name in pairs(t.metrics) do widest = math.max(widest, text.width(name)) end
  for name, v in pairs(t.metrics) do page:pair("  " .. name, value(v), math.min(widest, 30) + 4) end
end

local function curves(page, t)
  if #t.curves == 0 then return end
  page:title("Curves")
  for _, c in ipairs(t.curves) do
    local from, to = text.number(c.values[1], 4), text.number(c.values[#c.values], 4)
    local words = from .. " to " .. to .. ", " .. text.count(#c.values, "point")
    page:add("  " .. text.cut(known(c.name) or "-", 20) .. ": " .. words)
    page:add("  " .. progress.sparkline(c.values, math.min(60, page.width - 4)))
  end
end

-- What the implementer sent: the first line of what was wrong with each.
local function implementations(page, t)
  if #t.implementations < 2 then return end
  page:title("Implementations")
  for _, m in ipairs(t.implementations) do
    local words = known(m.message) and ": " .. m.message:match("[^\n]*") or ""
    local round = m.round > 0 and ", revision " .. m.round or ""
    page:paragraph(m.n .. round .. ": " .. m.code:gsub("_", " ") .. words, 2, 2)
  end
end

local RERUNS = { { title = "for" }, { title = "seed", side = "left", drop = 1 }, { title = "preset", drop = 2 },
  { title = "reward", side = "left" },
  { title = "", flex = true } }

-- The same change with other seeds, or at another scale.
local function reruns(page, t)
  if #t.reruns == 0 then return end
  page:title("Run again")
  local rows = {}
  for i, r in ipairs(t.reruns) do
    local how = r.outcome == "ok" and (known(r.review) or "") or known(r.outcome) and r.outcome .. ": "
      .. (known(r.reason) or "") or "open"
    rows[i] = { r.purpose, tostring(r.seed), known(r.preset) or "-",
      known(r.reward) and text.number(r.reward, 8) or "-", how }
  end
  page:grid(RERUNS, rows, 2)
end

local function job_ending(j)
  local how = known(j.ended)
  if not how then return "has not ended" end
  if how == "exit" then return "exit code " .. j.exit_code end
  return how .. (known(j.reason) and ": " .. j.reason or "")
end

local function jobs(page, t, lines)
  for _, j in ipairs(t.jobs) do
    local took = known(j.wall_s) and " after " .. pages.seconds(j.wall_s) or ""
    local memory = known(j.peak_memory) and j.peak_memory > 0 and ", " .. text.bytes(j.peak_memory) or ""
    page:title(j.stage:sub(1, 1):upper() .. j.stage:sub(2))
    page:paragraph(job_ending(j) .. took .. memory, 2)
    if known(j.log) and lines ~= 0 then page:log(j.log, lines) end
  end
end

---How a trial ended, without its idea and its diff.
---@param page erlua.page
---@param t erlua.trial  from trials_data.one
---@param o {log: boolean?}  log: with the last lines of its jobs
function M.outcome(page, t, o)
  ending(page, t)
  metrics(page, t)
  curves(page, t)
  jobs(page, t, o.log and LOG_LINES or 0)
end

---All of a trial.
---@param page erlua.page
---@param t erlua.trial  from trials_data.one
---@param o {log: boolean?}
function M.add(page, t, o)
  head(page, t)
  implementations(page, t)
  metrics(page, t)
  reruns(page, t)
  curves(page, t)
  jobs(page, t, not o.log and LOG_LINES or nil)
  local diff = known(t.diff)
  page:title("Diff")
  if not diff then page:paragraph(t.outcome == json.null and "not known yet" or "none: the idea was not applied", 2)
  elseif diff == "" then page:paragraph("none: the environment as it is", 2)
  else page:diff(diff) end
end

return M
