-- report_gains.lua - the part of a report that tells gains from noise: the spread of the
-- baseline, the confirmed gains, the ideas at another scale, scores to be doubted.

local text = require("erlua.text")
local scales = require("erlua.scale")

local M = {}

local MOST = 10                -- rows of a table, and scores to be looked at

-- ---- the baseline ----------------------------------------------------------------------

local function spread(page, h, where)
  local failed = h.failed > 0 and "; " .. h.failed .. " failed" or ""
  if not h.mean then return page:paragraph("baseline" .. where .. ": no run came to a reward" .. failed, 2) end
  if not h.sd then
    return page:paragraph("baseline" .. where .. " " .. text.number(h.mean) .. ", one run: its spread is not known"
      .. failed, 2)
  end
  page:paragraph(string.format("baseline%s %s, mean of %d runs; standard deviation %s%s", where, text.number(h.mean), h.n,
    text.number(h.sd, 3), failed), 2)
end

---The baseline's runs, and how many trials are above them.
---@param page erlua.page
---@param d table  the report's data
function M.baseline(page, d)
  for _, h in ipairs(d.baseline_runs) do spread(page, h, #d.baseline_runs > 1 and " on " .. h.host or "") end
  local first = d.baseline_runs[1]
  if not first or not d.above_baseline or d.trials == 0 then return end
  if not first.sd then
    return page:paragraph(text.count(d.above_baseline, "trial") .. " above it, by however little", 2)
  end
  page:paragraph(string.format("%s above it by more than 2 standard deviations%s", text.count(d.above_baseline, "trial"),
    #d.baseline_runs == 1 and " (" .. text.number(first.bar) .. ")" or ""), 2)
end

-- ---- gains -------------------------------------------------------------------------------

local GAINS = { { title = "trial", side = "left" }, { title = "search", side = "left", drop = 1 },
  { title = "runs", side = "left", drop = 2 }, { title = "mean", side = "left" }, { title = "above the baseline" } }
local OTHERS = { { title = "trial", side = "left" }, { title = "search", side = "left", drop = 1 },
  { title = "mean", side = "left" },
  { title = "why not", flex = true, least = 20 } }

local function signed(x) return (x < 0 and "-" or "+") .. text.number(math.abs(x)) end

local function margin(g) return signed(g.difference) .. " ± " .. text.number(2 * g.standard_error, 3) end

---"+0.21 ± 0.04 (+3.1 %)": a difference and two standard errors of it.
function M.difference(g)
  return margin(g) .. (g.share and string.format(" (%+.1f %%)", g.share * 100) or "")
end

---Why a trial is not confirmed, or that it is not known yet.
function M.why_not(g)
  if g.outcome == "open" then return "its runs are not over" end
  if g.outcome ~= "ok" then
    return g.outcome:gsub("_", " ") .. " at " .. g.stage .. (g.reason ~= "" and ": " .. g.reason or "")
  end
  if not g.difference then return "the baseline has too few runs" end
  if g.difference <= 0 then return "not above the baseline: " .. signed(g.difference) end
  return margin(g) .. " is within the noise"
end

---A gain beyond what is plausible is none until a person has looked at it.
local function mark(g) return type(g.review) == "string" and g.review ~= "" and ", look at it" or "" end

local function split(list)
  local yes, no = {}, {}
  for _, g in ipairs(list) do
    if g.confirmed then
      yes[#yes + 1] = { tostring(g.id), text.number(g.reward), tostring(#g.rewards), text.number(g.mean), M.difference(g) .. mark(g) }
    else
      no[#no + 1] = { tostring(g.id), text.number(g.reward), text.number(g.mean), M.why_not(g) }
    end
  end
  return yes, no
end

---What was run again with fresh seeds, and what it came to.
---@param page erlua.page
---@param d table
function M.gains(page, d)
  if not d.confirmation then return end
  local yes, no = split(d.gains)
  page:title("Confirmed gains")
  if #yes > 0 then
    page:grid(GAINS, yes, 2)
    page:paragraph("means of runs with fresh seeds; ± two standard errors of the difference", 2)
  else
    page:paragraph(#no > 0 and "None." or "None: no trial was above the baseline.", 2)
  end
  if #no == 0 then return end
  page:title("Not confirmed")
  page:grid(OTHERS, no, 2)
end

-- ---- another scale -----------------------------------------------------------------------

local SCALE = { { title = "trial", side = "left" }, { title = "search", side = "left" }, { title = "there", side = "left" },
  { title = "" } }

local function compared(v, base)
  if not v or not base then return "" end
  return v > base and "above the baseline" or v == base and "as the baseline" or "below the baseline"
end

---@param page erlua.page
---@param d table
function M.scales(page, d)
  for _, g in ipairs(d.generalization) do
    page:title((scales.words(g.preset):gsub("^%l", string.upper)))
    local rows = {}
    for i = 1, math.min(#g.ideas, MOST) do
      local t = g.ideas[i]
      rows[i] = { tostring(t.id), text.number(t.reward), t.there and text.number(t.there) or "-",
        t.there and compared(t.there, g.baseline) or t.outcome:gsub("_", " ") }
    end
    page:grid(SCALE, rows, 2)
    local rho = g.rank_correlation
    page:paragraph((g.baseline and "baseline there: " .. text.number(g.baseline) .. "; " or "") .. "rank correlation of "
      .. text.count(g.n, "idea") .. ": "
      .. (rho and string.format("%.2f (1: the same order, 0: none)", rho) or "cannot be said"), 2)
  end
end

-- ---- doubts ------------------------------------------------------------------------------

---Scores that nobody vouches for, and those that a person should look at.
---@param page erlua.page
---@param d table
function M.doubts(page, d)
  if d.untrusted > 0 then
    page:title("Untrusted")
    page:paragraph(text.count(d.untrusted, "score") .. " without the sandbox (--no-sandbox): what is scored could have read or "
      .. "written its own score.", 2)
  end
  if #d.review == 0 then return end
  page:title("To be looked at")
  for i = 1, math.min(#d.review, MOST) do
    page:paragraph("Trial " .. d.review[i].id .. ": " .. d.review[i].review, 2)
  end
  if #d.review > MOST then page:add("  … " .. #d.review - MOST .. " more") end
end

return M
