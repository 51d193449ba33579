-- report.lua - a study in a page: how many ideas came how far, how the rewards went, how
-- different the patches are, the best of them.

local host = require("erlua.core.host")
local json = require("erlua.json")
local text = require("erlua.text")
local progress = require("erlua.progress")
local pages = require("erlua.page")
local report_data = require("erlua.report_data")
local report_models = require("erlua.report_models")
local report_gains = require("erlua.report_gains")

local M = {}

local DIFF_LINES, IDEA_LINES = 40, 6
local FIRST_EPOCHS, LAST_EPOCHS = 4, 10        -- of a long search; the sparkline has them all

---All that the report shows, from the store alone.
M.data = report_data.read

local function head(page, d)
  page:title(d.name .. (d.state == "finished" and "" or " (not finished)"))
  local model = d.model and " with " .. d.model or ""
  if d.implementer then model = model .. ", changes by " .. d.implementer end
  page:paragraph(string.format("%s on %s%s, seed %d; jobs took %s", d.script, d.env, model, d.seed, pages.seconds(d.job_s)))
end

-- ---- the funnel ---------------------------------------------------------------------

local STEPS = { { "applied", "propose", "patch" }, { "checked", "check" }, { "trained", "train" }, { "scored", "evaluate" } }

-- What ended at these stages: how many, and in words.
local function lost_at(d, stages)
  local words, n = {}, 0
  for _, f in ipairs(d.funnel) do
    if f.outcome ~= "ok" and f.outcome ~= "open" and (f.stage == stages[2] or f.stage == stages[3]) then
      n = n + f.n
      words[#words + 1] = f.outcome:gsub("_", " ") .. " " .. f.n
    end
  end
  return n, table.concat(words, ", ")
end

local function bar(n, of, width)
  if n <= 0 or of <= 0 then return "" end
  return ("█"):rep(math.max(math.floor(n / of * width + 0.5), 1))
end

local function funnel(page, d)
  page:title("Funnel")
  local room = page.width < 60 and 8 or 24
  local n, open = d.trials, d.outcomes.open or 0
  local function row(label, count, lost)
    local line = string.format("  %-8s %5d  ", label, count)
    local rest = text.pad(bar(count, d.trials, room), lost ~= "" and room + 2 or 0)
    if text.width(line .. rest .. lost) <= page.width then return page:add((line .. rest .. lost):gsub("%s+$", "")) end
    page:add((line .. rest):gsub("%s+$", ""))
    page:paragraph(lost, 4)
  end
  row("ideas", n, open > 0 and open .. " still open" or "")
  n = n - open
  for _, step in ipairs(STEPS) do
    local lost, words = lost_at(d, step)
    n = n - lost
    if step[1] ~= "checked" or d.has_check then row(step[1], n, words) end
  end
  report_models.questions(page, d.questions)
end

-- ---- rewards ------------------------------------------------------------------------

local EPOCH_COLUMNS = { { title = "epoch", side = "left" }, { title = "ideas", side = "left", drop = 1 },
  { title = "ok", side = "left" }, { title = "best", side = "left" }, { title = "mean", side = "left" } }

local function epoch_rows(epochs)
  local rows, n = {}, #epochs
  for i, e in ipairs(epochs) do
    if n <= FIRST_EPOCHS + LAST_EPOCHS + 1 or i <= FIRST_EPOCHS or i > n - LAST_EPOCHS then
      rows[#rows + 1] = { tostring(e.epoch), tostring(e.n), tostring(e.ok), text.number(e.best), text.number(e.mean) }
    elseif i == FIRST_EPOCHS + 1 then
      rows[#rows + 1] = { "…", "", "", "", "" }
    end
  end
  return rows
end

local function spark(page, label, epochs, field)
  local values, low, high = {}, nil, nil
  for i, e in ipairs(epochs) do
    local v = e[field]
    values[i] = v
    if v and (not low or v < low) then low = v end
    if v and (not high or v > high) then high = v end
  end
  if not low then return end
  local range = text.number(low) .. " to " .. text.number(high)
  local line = progress.sparkline(values, math.min(40, page.width - #range - 11), #epochs)
  page:add("  " .. text.pad(label, 5) .. " " .. line .. "  " .. range)
end

local function rewards(page, d)
  page:title("Rewards by epoch")
  report_gains.baseline(page, d)
  page:grid(EPOCH_COLUMNS, epoch_rows(d.epochs), 2)
  if #d.epochs < 2 then return end
  spark(page, "best", d.epochs, "best")
  spark(page, "mean", d.epochs, "mean")
end

local function diversity(page, d)
  local v = d.diversity
  page:title("Diversity")
  local line = text.count(v.patches, "distinct patch", "distinct patches")
  if v.distance then
    line = line .. string.format("; mean distance %.2f (0: the same changes, 1: no line in common)", v.distance)
    if v.compared < v.patches then line = line .. ", over " .. v.compared .. " of them" end
  end
  page:paragraph(line, 2)
end

-- ---- the best trial --------------------------------------------------------------------

-- One run says little where scores are noisy: what was not confirmed says so.
local function against_baseline(best)
  local gain, share = best.improvement, best.improvement_share
  if best.confirmed then return "; confirmed: " .. report_gains.difference(best.gain) end
  if not gain then return "" end
  if gain == 0 then return ", the same as the baseline" end
  local percent = share and string.format(" (%+.1f %%)", share * 100) or ""
  return string.format(", %s %s the baseline%s%s", text.number(math.abs(gain)), gain > 0 and "above" or "below", percent,
    gain > 0 and (best.gain and "; not confirmed" or ", in one run") or "")
end

-- A score beyond what is plausible is no winner before a person has looked at it.
local function doubt(d, id)
  for _, r in ipairs(d.review) do
    if r.id == id then return "; look at it: " .. r.review end
  end
  return ""
end

local function best_trial(page, d, where)
  local best = d.gained or d.best
  page:title("Best trial")
  if not best then return page:paragraph("No idea came to a reward. `erlua trials " .. where .. "` lists why.", 2) end
  page:paragraph(string.format("Trial %d of epoch %d: reward %s%s", best.id, best.epoch, text.number(best.reward),
    against_baseline(best) .. doubt(d, best.id)), 2)
  if type(best.idea) == "string" then page:paragraph(best.idea, 2, IDEA_LINES) end
  page:add("")
  local left = page:diff(best.diff, DIFF_LINES)
  if left > 0 then
    page:add("… " .. text.count(left, "more line") .. ": erlua trials " .. where .. " diff " .. best.id)
  end
end

local function foot(page, d, where)
  local id = (d.gained or d.best or {}).id
  page:title("Further")
  page:command("study", pages.path(d.study .. "/study.db"))
  page:command("trials", "erlua trials " .. where .. " --sort reward --top 10")
  if id then
    page:command("look", "erlua trials " .. where .. " show " .. id)
    page:command("apply", "erlua trials " .. where .. " diff " .. id .. " | patch -p1")
  end
  if d.state ~= "finished" then page:command("resume", "erlua resume " .. where)
  elseif d.epochs_wanted then page:command("go on", "erlua resume " .. where .. " --epochs " .. d.epochs_wanted * 2) end
end

local function show(d)
  local page, where = pages.new(), pages.path(d.study)
  head(page, d)
  report_gains.doubts(page, d)
  funnel(page, d)
  if d.trials > 0 then
    if #d.calls > 0 then report_models.rates(page, d.models) end
    report_models.calls(page, d.calls)
    rewards(page, d)
    diversity(page, d)
    report_gains.gains(page, d)
    report_gains.scales(page, d)
  elseif d.baseline then
    report_gains.baseline(page, d)
    page:paragraph("there are no ideas yet", 2)
  end
  best_trial(page, d, where)
  foot(page, d, where)
  page:print()
end

---Prints a study's report, or with json its data as one JSON document.
---@param store erlua.store
---@param dir string  the study's folder
---@param options? {json: boolean?, strategy: boolean?}
---@return table data
function M.print(store, dir, options)
  local d = report_data.read(store, dir)
  if options and options.json then host.out(json.encode(report_data.document(d)) .. "\n") else show(d) end
  return d
end

return M
