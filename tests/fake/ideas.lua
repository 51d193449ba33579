-- ideas.lua - a scripted ideator and implementer, in both wire formats: what it says is a
-- function of the model's name and of the prompt.  It reads the numbered listing of the
-- prompt, so that its ideas and patches are real ones: numbers of the code are changed.
-- Words in the model's name tell what it does badly:
--
--   plain     always the form that was asked for      (else numbers, headings, JSON, missing ends, too few, the same twice)
--   prose     no idea in its words at all             vague     ideas without a change that could be made
--   refuse    refuses to have ideas                   deny      refuses to implement
--   clumsy    its first patches do not apply          hopeless  none of its patches applies
--   crash     its first change of an idea crashes     oneshot   writes the patch into the idea
--   slow      takes 50 ms                             cut       every answer is cut off

local anthropic = require("anthropic")
local openai = require("openai")
local wire = require("wire")

-- ---- chance, from the prompt alone -------------------------------------------------

local function dice(seed)
  local h = 0xcbf29ce484222325
  for i = 1, #seed do h = (h ~ seed:byte(i)) * 0x100000001b3 end
  return function(n)
    h = h ~ h >> 33
    h = h * 0x2545F4914F6CDD1D + 0x9E3779B97F4A7C15
    return ((h >> 40) % n) + 1
  end
end

-- ---- the code in a prompt ---------------------------------------------------------------

-- Numbers that could be another: { path, line, text, value }, those of plain settings if there are any.
local function numbers_in(prompt)
  local path, settings, all = nil, {}, {}
  for row in prompt:gmatch("[^\n]+") do
    path = row:match("^## ([%w_./-]+)$") or path
    local line, text = row:match("^ *(%d+)| (.*)$")
    if path and line then
      for value in text:gmatch("%f[%w.]%d+%.?%d*%f[^%w.]") do
        local found = { path = path, line = tonumber(line), text = text, value = value }
        all[#all + 1] = found
        if text:match("^%s*[%a_]+%s*=%s*[%d.]+%s*,") then settings[#settings + 1] = found end
      end
    end
  end
  return #settings > 0 and settings or all
end

local FACTORS = { 0.5, 0.7, 0.85, 1.15, 1.3, 1.6, 2, 3 }

local function other_value(value, roll)
  local v = tonumber(value) * FACTORS[roll(#FACTORS)]
  if math.type(tonumber(value)) == "integer" then return string.format("%d", math.max(math.floor(v + 0.5), 1) + (roll(3) - 1)) end
  return string.format("%.4g", v)
end

local function change_words(number, roll)
  return string.format("in `%s` line %d, put %s in the place of %s", number.path, number.line, other_value(number.value, roll), number.value)
end

-- ---- patches ------------------------------------------------------------------------------

-- What an idea's words ask for: { path, line, old, new }.
local function asked_for(words, prompt)
  local out, lines = {}, {}
  for _, n in ipairs(numbers_in(prompt)) do lines[n.path .. ":" .. n.line] = n.text end
  for path, line, new, old in words:gmatch("in `([^`]+)` line (%d+), put (%S+) in the place of ([%d.]*%d)") do
    local text = lines[path .. ":" .. line]
    local from, to = (text or ""):find("%f[%w.]" .. old:gsub("%.", "%%.") .. "%f[^%w.]")
    if from then
      out[#out + 1] = { path = path, line = tonumber(line), old = text, new = text:sub(1, from - 1) .. new .. text:sub(to + 1) }
    end
  end
  table.sort(out, function(a, b) return a.line < b.line end)
  return out
end

local function as_blocks(changes)
  local out = {}
  for _, c in ipairs(changes) do
    out[#out + 1] = c.path .. "\n<<<<<<< SEARCH\n" .. c.old .. "\n=======\n" .. c.new .. "\n>>>>>>> REPLACE\n"
  end
  return table.concat(out, "\n")
end

local function as_diff(changes)
  local out, path = { "```diff" }, nil
  for _, c in ipairs(changes) do
    if c.path ~= path then
      path = c.path
      out[#out + 1] = "--- a/" .. path .. "\n+++ b/" .. path
    end
    out[#out + 1] = string.format("@@ -%d,1 +%d,1 @@\n-%s\n+%s", c.line, c.line, c.old, c.new)
  end
  return table.concat(out, "\n") .. "\n```\n"
end

local function spoiled(changes)
  local out = {}
  for i, c in ipairs(changes) do out[i] = { path = c.path, line = c.line, old = c.old .. " -- as I remember it", new = c.new } end
  return out
end

local function crashing(changes)
  local out = {}
  for i, c in ipairs(changes) do out[i] = { path = c.path, line = c.line, old = c.old, new = c.new .. " error('a slip')" } end
  return out
end

local function implement(has, idea, prompt, talk, roll)
  local changes = asked_for(idea, prompt)
  if #changes == 0 then return "I do not see which line is meant." end
  if has.hopeless or has.clumsy and talk == 1 then changes = spoiled(changes)
  elseif has.crash and not prompt:find("the changed program failed", 1, true) then changes = crashing(changes) end
  return (roll(2) == 1 and as_blocks or as_diff)(changes)
end

-- ---- ideas ----------------------------------------------------------------------------------

local function one_idea(has, prompt, shown, roll)
  local numbers = numbers_in(prompt)
  local first, second = numbers[roll(#numbers)], numbers[roll(#numbers)]
  local changes = change_words(first, roll)
  if second.line ~= first.line and roll(2) == 1 then changes = changes .. "; and " .. change_words(second, roll) end
  if has.vague then changes = "make it better wherever that is easy" end
  local word = first.text:match("([%a_]+)%s*=%s*") or "a number"
  local idea = { title = "Another value of " .. word, changes = changes,
    description = "The value of " .. word .. " may be off; try one that is further along." }
  if #shown > 0 then idea.parents = { shown[roll(#shown)], shown[roll(#shown)] } end
  if has.oneshot then idea.changes = changes .. "\n\n" .. as_blocks(asked_for(changes, prompt)) end
  return idea
end

local function body_of(idea)
  local builds_on = idea.parents and "Builds on: " .. table.concat(idea.parents, ", ") .. "\n" or ""
  return "Title: " .. idea.title .. "\n" .. builds_on .. "Description: " .. idea.description .. "\nChanges: " .. idea.changes .. "\n"
end

local FORMS = {
  function(i, idea) return "<idea>\n" .. body_of(idea) .. "</idea>\n" end,
  function(i, idea) return i .. ". <idea>\n" .. body_of(idea) end,
  function(i, idea) return "## Idea " .. i .. "\n\n" .. body_of(idea):gsub("(%a[%a ]+): ", "**%1:** ", 1) end,
  function(i, idea) return "[Experiment " .. i .. "]\n" .. body_of(idea) .. "[End]\n" end,
}

local function as_json(list)
  local items = {}
  for i, idea in ipairs(list) do
    items[i] = { title = idea.title, description = idea.description, changes = idea.changes, builds_on = idea.parents }
  end
  return "```json\n" .. json.encode { ideas = items } .. "\n```"
end

local function ideate(has, prompt, n, roll)
  if has.prose then return "There is much that one could try here, and I would begin with the obvious." end
  local shown, list = {}, {}
  for id in (prompt:match("# What helped so far(.-)# Your task") or ""):gmatch("\n(%d+)%. reward") do shown[#shown + 1] = tonumber(id) end
  for i = 1, n do list[i] = one_idea(has, prompt, shown, roll) end
  local form = has.plain and 1 or roll(#FORMS + 1)
  if not has.plain and roll(3) == 1 then list[#list] = #list > 1 and list[1] or nil end
  if form > #FORMS then return as_json(list) end
  local out = { "I looked at the code with care.", "" }
  for i, idea in ipairs(list) do out[#out + 1] = FORMS[form](i, idea) end
  return table.concat(out, "\n")
end

-- ---- the server ---------------------------------------------------------------------------

local WORDS = { "plain", "prose", "vague", "refuse", "deny", "clumsy", "hopeless", "crash", "oneshot", "slow", "cut" }

local function reply_to(model, messages, prompt, format)
  local has, roll = {}, dice(model .. "\0" .. prompt)
  for _, word in ipairs(WORDS) do has[word] = model:find(word, 1, true) ~= nil end
  local n = prompt:match("\nIdeas wanted: exactly (%d+),")
  local no = n and has.refuse or not n and has.deny
  local reply = { delay = has.slow and 0.05 or nil }
  if no then
    reply.text, reply.refusal, reply.finish = "", "I would rather not", format == "anthropic" and "refusal" or "stop"
  elseif n then
    reply.text = ideate(has, prompt, tonumber(n), roll)
  else
    local idea = prompt:match("# Your task%s+Make the change that this idea describes%.(.-)# How to answer") or ""
    reply.text = implement(has, idea, prompt, #messages, roll)
  end
  if has.cut then reply.finish = format == "anthropic" and "max_tokens" or "length" end
  return reply
end

return function(req, res)
  local body = json.decode(req.body) or {}
  local format = req.path:find("/messages", 1, true) and "anthropic" or "openai"
  local reply = reply_to(body.model or "", body.messages or {}, (wire.prompt(body)), format)
  return (format == "anthropic" and anthropic or openai).answer(req, res, reply, body)
end
