-- ideas_view.lua - what a prompt shows of an environment and of trials, in texts that are
-- bounded by a number of tokens: a selection, never the whole history.

local sorted = require("erlua.lists").keys
local prompt = require("erlua.prompt")
local text = require("erlua.text")
local fs = require("erlua.core.fs")
local rng = require("erlua.core.rng")
local count = require("erlua.llm.usage").count

local M = {}

local LIST, AVOID, DETAIL = 12000, 5000, 6000      -- tokens of a list of trials, of ideas to avoid, of changes
local LINE = 600                                   -- bytes of an idea in a list
local DIFF = 8000                                  -- bytes of one trial's change
local BEST, POINTS = 3, 5                          -- trials in detail; values of a curve

-- ---- the environment -----------------------------------------------------------------

local function numbered(path, bytes)
  if bytes:find("\0", 1, true) then return "## " .. path .. "\n\n(" .. text.bytes(#bytes) .. ", not text)" end
  local out, n = {}, 0
  local body = fs.clean(bytes)
  for line in (body:sub(-1) == "\n" and body or body .. "\n"):gmatch("(.-)\r?\n") do
    n = n + 1
    out[n] = string.format("%4d| %s", n, line)
  end
  return "## " .. path .. "\n\n" .. table.concat(out, "\n")
end

local function code_of(env)
  local out = {}
  for _, path in ipairs(sorted(env.pristine)) do out[#out + 1] = numbered(path, env.pristine[path]) end
  return table.concat(out, "\n\n")
end

local function names(list) return #list > 0 and table.concat(list, ", ") or "none" end

---The part of every prompt that never changes: what the environment is, and its code.
---@param templates table<string, string>
---@param env erlua.env
---@return string
function M.environment(templates, env)
  local limits, budget = env.limits, env.budget
  return prompt.fill(templates.environment, {
    name = env.name, about = env.about or "", metric = env.metric, direction = env.direction == "min" and "small" or "large",
    check = table.concat(env.check_command or {}, " "), train = table.concat(env.train_command, " "),
    evaluate = table.concat(env.evaluate_command, " "),
    budget = budget and text.duration(budget.seconds) .. (budget.cpu and " of CPU time" or "") or "",
    wall = text.duration(limits.wall), memory = limits.memory > 0 and text.bytes(limits.memory) or "",
    gpus = limits.gpus > 0 and limits.gpus or "", editable = names(env.editable), region = env.region or "",
    frozen = names(env.frozen_files), code = code_of(env),
  })
end

-- ---- trials ----------------------------------------------------------------------------

-- An idea on one line, with nothing in it that is not to be seen.
local function line_of(idea)
  local s = text.clean(idea):gsub("%s+", " ")
  if #s <= LINE then return s end
  return s:sub(1, utf8.offset(s, 0, LINE) - 1) .. "…"
end

local function reward_of(t) return t.reward and text.number(t.reward, 6) end

-- "12. reward 2.45: …", or how it failed.
local function trial_line(t)
  local how = t.outcome == "ok" and "reward " .. reward_of(t)
    or (t.outcome or "open"):gsub("_", " ") .. " at " .. t.stage
      .. (t.reason ~= "" and " (" .. line_of(t.reason) .. ")" or "")
  return t.id .. ". " .. how .. ": " .. line_of(t.idea)
end

-- As many of the texts as there is room for, in their order.
local function within(list, tokens)
  local out = {}
  for _, s in ipairs(list) do
    tokens = tokens - count(s) - 1
    if tokens < 0 then break end
    out[#out + 1] = s
  end
  return out
end

-- The list in an order drawn by the running task.
local function shuffled(list)
  local out = table.move(list, 1, #list, 1, {})
  for i = #out, 2, -1 do
    local j = rng.int(nil, i)
    out[i], out[j] = out[j], out[i]
  end
  return out
end

local function by_reward(a, b) return (a.reward or -math.huge) > (b.reward or -math.huge) end

-- The trials of a selection, without the baseline, whose idea is to change nothing.
local function trials_of(study, selection)
  local out = {}
  for _, id in ipairs(selection.ids) do
    local t = study.trial_room:read(id)
    if t and t.prompt ~= "baseline" then out[#out + 1] = t end
  end
  return out
end

local View = {}
View.__index = View

---What the prompts of one request show of its trials; each is read once.
---@param study erlua.study
---@param selection erlua.selection|nil
function M.new(study, selection)
  return setmetatable({ study = study, trials = selection and trials_of(study, selection) or {}, shown = {} }, View)
end

function View:lines(trials)
  local out = {}
  for i, t in ipairs(trials) do out[i] = trial_line(t) end
  out = within(out, LIST)
  for i = 1, #out do self.shown[trials[i].id] = true end
  return table.concat(out, "\n")
end

---Parents, the best first; those that there is no room for are the worst.
function View:parents()
  table.sort(self.trials, by_reward)
  return self:lines(self.trials)
end

---Trials of all sorts, in an order of chance, so that each call sees others where there are many.
function View:tried() return self:lines(shuffled(self.trials)) end

---Was the trial shown to the model, so that an idea may build on it?
function View:knows(id) return self.shown[id] == true end

-- ---- changes and curves --------------------------------------------------------------------

-- "loss 3.2 2.9 2.7 2.6 2.6": a few values of each curve, from the first to the last.
local function curve_words(store, id)
  local job = store:query("train_job", id)[1]
  local last = job and store:query("curve_end", job.id)[1].n
  if not last then return nil end
  local at = {}
  for i = 1, POINTS do at[i] = 1 + (last - 1) * (i - 1) // (POINTS - 1) end
  local lists, order = {}, {}
  for _, p in ipairs(store:query("curve_points", job.id, table.unpack(at))) do
    local list = lists[p.name]
    if not list then
      list = { fs.clean(p.name):sub(1, 40) }
      lists[p.name], order[#order + 1] = list, list
    end
    list[#list + 1] = text.number(p.value, 4)
  end
  for i, list in ipairs(order) do order[i] = table.concat(list, " ") end
  return #order > 0 and table.concat(order, "; ") or nil
end

-- One trial with what it changed.
local function detail(store, t)
  local row = store:query("trial_patch", t.id)[1]
  if not row or not row.diff or row.diff == "" then return nil end
  local diff = fs.clean(row.diff)
  if #diff > DIFF then diff = diff:sub(1, DIFF):match("^(.*)\n") .. "\n(the rest is left out)" end
  local curve = curve_words(store, t.id)
  return "## Trial " .. t.id .. ", reward " .. (reward_of(t) or "none") .. "\n\n"
    .. (curve and "Curve: " .. curve .. "\n\n" or "")
    .. "```diff\n" .. diff:gsub("\n$", "") .. "\n```"
end

---The changes of the best trials of the selection, in full.
function View:best(templates)
  table.sort(self.trials, by_reward)
  local out = {}
  for i = 1, math.min(BEST, #self.trials) do out[#out + 1] = detail(self.study.store, self.trials[i]) end
  out = within(out, DETAIL)
  return #out > 0 and prompt.fill(templates.best, { changes = table.concat(out, "\n\n") }) or ""
end

---What the trials changed that an idea builds on.
---@param study erlua.study
---@param ids integer[]
function M.parents(study, templates, ids)
  local out = {}
  for _, id in ipairs(ids) do
    local t = study.trial_room:read(id)
    out[#out + 1] = t and detail(study.store, t)
  end
  out = within(out, DETAIL)
  return #out > 0 and prompt.fill(templates.parents, { changes = table.concat(out, "\n\n") }) or ""
end

---Ideas that are not wanted again: the newest of this epoch, then some of earlier ones.
---@param ideas string[]  of this epoch, in their order
---@param earlier string[]
function M.avoid(templates, ideas, earlier)
  local list = {}
  for i = #ideas, 1, -1 do list[#list + 1] = "- " .. line_of(ideas[i]) end
  for _, s in ipairs(shuffled(earlier)) do list[#list + 1] = "- " .. line_of(s) end
  list = within(list, AVOID)
  return #list > 0 and prompt.fill(templates.avoid, { ideas = table.concat(list, "\n") }) or ""
end

---Up to n ideas of finished trials, drawn by chance.
function M.earlier(study, n)
  local out = {}
  for _, t in ipairs(trials_of(study, study:trials():sample(n))) do out[#out + 1] = t.idea end
  return out
end

return M
