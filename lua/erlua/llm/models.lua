-- llm/models.lua - what differs between models of a provider: how they are asked to think,
-- how much they hold, what they take.  The first row whose pattern matches counts.
-- A model that is not here is asked as the newest are; what it refuses is dropped by the
-- call that is told so.

local M = {}

local LEVELS = { "low", "medium", "high", "xhigh", "max" }
local NO_XHIGH = { "low", "medium", "high", "max" }
local NO_MAX = { "low", "medium", "high", "xhigh" }
local THREE = { "low", "medium", "high" }

-- think: "adaptive" (with an effort), "budget" (a number of tokens), false.  off: how no
-- thinking is asked for: a type of `thinking`, or the lowest effort where it is always on.
-- context and output: tokens at most.
local ANTHROPIC = {
  { "^claude%-fable", think = "adaptive", levels = LEVELS, off = "low", context = 1000000, output = 128000 },
  { "^claude%-mythos", think = "adaptive", levels = LEVELS, off = "low", context = 1000000, output = 128000 },
  { "^claude%-opus%-5%-5", think = "adaptive", levels = LEVELS, off = "low", context = 1000000, output = 128000 },
  { "^claude%-sonnet%-5%-5", think = "adaptive", levels = LEVELS, off = "between_tools", context = 1000000, output = 128000 },
  { "^claude%-[a-z]+%-5", think = "adaptive", levels = LEVELS, off = "disabled", context = 1000000, output = 128000 },
  { "^claude%-opus%-4%-[78]", think = "adaptive", levels = LEVELS, off = "disabled", context = 1000000, output = 128000 },
  { "^claude%-opus%-4%-6", think = "adaptive", levels = NO_XHIGH, off = "disabled", context = 1000000, output = 128000 },
  { "^claude%-sonnet%-4%-6", think = "adaptive", levels = NO_XHIGH, off = "disabled", context = 1000000, output = 64000 },
  { "^claude%-[a-z]+%-4%-5", think = "budget", off = "disabled", context = 200000, output = 64000 },
  { "^claude%-opus%-4", think = "budget", off = "disabled", context = 200000, output = 32000 },
  { "^claude%-sonnet%-4", think = "budget", off = "disabled", context = 200000, output = 64000 },
  { "^claude%-3%-7", think = "budget", off = "disabled", context = 200000, output = 64000 },
  { "^claude%-3%-5", think = false, context = 200000, output = 8192 },
  { "^claude%-3", think = false, context = 200000, output = 4096 },
  { "^claude", think = "adaptive", levels = LEVELS, off = "low" },
  { "", think = "budget", off = "disabled" },
}

-- OpenAI's own host.  responses: the model does not exist in chat completions.  marks:
-- takes cache breakpoints.
local OPENAI = {
  { "^gpt%-[%d.]+%-pro", responses = true }, { "^o[13]%-pro", responses = true }, { "deep%-research", responses = true },
  { "%-codex", responses = true }, { "^codex", responses = true }, { "^computer%-use", responses = true },
  { "^gpt%-6%.2", think = "effort", levels = LEVELS, off = "low", marks = true, context = 1050000, output = 128000 },
  { "^gpt%-6%.1%-sol", think = "effort", levels = NO_MAX, off = "low", marks = true, context = 1050000, output = 128000 },
  { "^gpt%-6%-astra", think = "effort", levels = LEVELS, off = "low", marks = true, context = 1050000, output = 128000 },
  { "^gpt%-[6789]", think = "effort", levels = LEVELS, off = "none", marks = true, context = 1050000, output = 128000 },
  { "^gpt%-5%.6", think = "effort", levels = LEVELS, off = "none", marks = true, output = 128000 },
  { "^gpt%-5%.[2-5]", think = "effort", levels = NO_MAX, off = "none", output = 128000 },
  { "^gpt%-5%.1", think = "effort", levels = THREE, off = "none", context = 400000, output = 128000 },
  { "^gpt%-5.*chat", think = false },
  { "^gpt%-5", think = "effort", levels = THREE, off = "minimal", context = 400000, output = 128000 },
  { "^o%d", think = "effort", levels = THREE, off = "low", context = 200000, output = 100000 },
  { "^gpt%-4%.1", think = false, context = 1047576, output = 32768 },
  { "^gpt%-4o", think = false, context = 128000, output = 16384 },
  { "^chatgpt", think = false, context = 128000, output = 16384 },
  { "^gpt%-[34]", think = false, output = 4096 },
  { "", think = "effort", levels = LEVELS, off = "low", marks = true },
}

-- Any other server behind chat completions: what it can do is its own affair.
local OTHER = { think = "effort", levels = LEVELS, off = "none" }

---What is known of a model.
---@param model table  of llm/spec.lua
---@return {think: string|false, levels: string[]?, off: string?, context: integer?, output: integer?,
---  responses: boolean?, marks: boolean?}
function M.of(model)
  if model.provider == "openai" and not model.own then return OTHER end
  local name = model.name:match("([^/]*)$")
  for _, row in ipairs(model.provider == "anthropic" and ANTHROPIC or OPENAI) do
    if name:find(row[1]) then return row end
  end
end

-- ---- thinking -----------------------------------------------------------------------------------------

local RANK = { minimal = 1, low = 2, medium = 3, high = 4, xhigh = 5, max = 6 }
local SHARE = { minimal = 0.1, low = 0.2, medium = 0.35, high = 0.5, xhigh = 0.65, max = 0.8 }
local LEAST = 1024             -- tokens of a budget, as Anthropic wants them

---What a request may say: a number of tokens, an effort, true (as the model likes), or
---false, "off", "none".
---@return boolean
function M.is_thinking(v)
  if type(v) == "number" then return math.type(v) == "integer" and v >= 0 end
  return type(v) == "boolean" or RANK[v] ~= nil or v == "off" or v == "none"
end

---Is no thinking asked for?
function M.is_off(v) return v == false or v == "off" or v == "none" or v == 0 end

-- A number of tokens as an effort, for models that take no number.
local function effort_of(tokens)
  if tokens <= 2048 then return "low" elseif tokens <= 8192 then return "medium" end
  if tokens <= 24576 then return "high" end
  return tokens <= 65536 and "xhigh" or "max"
end

---The level of a model that is nearest to what was asked for, from below where there is none.
---@param levels string[]
---@param v string|integer  an effort or a number of tokens
---@return string
function M.effort(levels, v)
  local want = RANK[type(v) == "number" and effort_of(v) or v]
  local best = levels[1]
  for _, level in ipairs(levels) do
    if RANK[level] <= want then best = level end
  end
  return best
end

---The budget of a model that takes a number of tokens: below max_tokens, so that an
---answer has room.  nil: there is no room for any.
---@param v string|integer|true
---@param max_tokens integer
---@return integer|nil
function M.budget(v, max_tokens)
  local room = max_tokens - math.min(1024, max_tokens // 2)
  if room < LEAST then return nil end
  local want = type(v) == "number" and v or math.floor(max_tokens * (SHARE[v] or SHARE.medium))
  return math.max(LEAST, math.min(want, room))
end

return M
