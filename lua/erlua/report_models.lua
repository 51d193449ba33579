-- report_models.lua - the part of a report that is about language models: how far the ideas
-- and changes of each came, and what was asked and paid for.

local text = require("erlua.text")

local M = {}

local WIDE = 120               -- columns of a terminal where models have their providers' names

local COLUMNS = { { title = "ideas by", flex = true, least = 16 }, { title = "made by", flex = true, least = 16 },
  { title = "ideas", side = "left" }, { title = "submitted", side = "left", drop = 1 }, { title = "applied", side = "left" },
  { title = "completed", side = "left", drop = 2 }, { title = "scored", side = "left" },
    { title = "mean", side = "left", drop = 3 },
  { title = "best", side = "left" } }

-- A model without the address of its server.
local function short(spec) return spec and (spec:match("^(.-)@https?://") or spec) or "-" end

-- Its name alone, for a terminal where both names would not fit.
local function name_of(spec) return (short(spec):gsub("^[%w_]+:", "")) end

local function tells_apart(models, name)
  local seen = {}
  for _, m in ipairs(models) do
    for _, spec in ipairs { m.model or "-", m.implementer } do
      if seen[name(spec)] and seen[name(spec)] ~= short(spec) then return false end
      seen[name(spec)] = short(spec)
    end
  end
  return true
end

local function share(n, of) return of > 0 and string.format("%.0f %%", 100 * n / of) or "-" end

---How far the ideas came, by who had them and who made their changes.
---@param page erlua.page
---@param models table[]  of the report's data
function M.rates(page, models)
  page:title("Models")
  local rows, short = {}, page.cut and page.cut < WIDE and tells_apart(models, name_of) and name_of or short
  for i, m in ipairs(models) do
    rows[i] = { short(m.model), short(m.implementer), tostring(m.n), share(m.submitted, m.n), share(m.applied, m.n),
      share(m.completed, m.n), share(m.scored, m.n), text.number(m.mean), text.number(m.best) }
  end
  page:grid(COLUMNS, rows, 2)
end

local function big(n)
  for _, unit in ipairs { { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } } do
    if n >= unit[1] then return string.format("%.3g%s", n / unit[1], unit[2]) end
  end
  return tostring(n)
end

local function add(sum, c)
  for _, name in ipairs { "calls", "input", "cache_read", "cache_write", "output", "refused", "truncated", "cancelled",
    "failed" } do
    sum[name] = (sum[name] or 0) + c[name]
  end
  if c.cost and sum.cost then sum.cost = sum.cost + c.cost else sum.cost = nil end
end

local function ends(sum)
  local out = {}
  for _, name in ipairs { "refused", "truncated", "cancelled", "failed" } do
    if sum[name] > 0 then out[#out + 1] = sum[name] .. " " .. name end
  end
  return #out > 0 and "; " .. table.concat(out, ", ") or ""
end

---What was asked and paid for.
---@param page erlua.page
---@param calls table[]  of the report's data
function M.calls(page, calls)
  if #calls == 0 then return end
  page:title("Calls")
  local sum = { cost = 0.0 }
  for _, c in ipairs(calls) do add(sum, c) end
  local cached = sum.cache_read > 0 and ", " .. big(sum.cache_read) .. " of them from a cache" or ""
  local input = sum.input + sum.cache_read + sum.cache_write
  page:paragraph(string.format("%s: %s tokens in%s, %s out; %s%s", text.count(sum.calls, "call"), big(input), cached,
    big(sum.output),
    sum.cost and string.format("$%.2f", sum.cost) or "the price of some is not known", ends(sum)), 2)
end

---How often ideas were asked for, and what was dropped.
---@param page erlua.page
---@param q table  of the report's data
function M.questions(page, q)
  if q.n == 0 then return end
  local refused = q.refused > 0 and ", " .. q.refused .. " refused" or ""
  page:paragraph(string.format("asked %s for ideas%s; %s dropped", q.n == 1 and "once" or q.n .. " times", refused,
    text.count(q.duplicates, "near-duplicate")), 2)
end

return M
