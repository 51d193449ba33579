-- llm/openai_reader.lua - a chat completion, streamed or whole, becomes a result or a failure.
-- Hosts differ in where thinking stands, when usage comes, how an error inside a stream
-- looks and what ends a reply; what they all send is taken, what only some know is no surprise.

local json = require("erlua.json")
local failure = require("erlua.llm.failure")
local replies = require("erlua.llm.reply")
local usage = require("erlua.llm.usage")

local M = {}

local Reader = {}
Reader.__index = Reader

---@param context {model: table, request: table, hooks: table, limit: integer?, headers: table}
function M.new(context)
  return setmetatable({ context = context, reply = replies.new(context.hooks, true) }, Reader)
end

local function text_of(v) return type(v) == "string" and v or "" end

-- A content is a text, or, at some hosts, a list of parts of which some are thinking.
local function take_content(reply, v)
  if type(v) == "string" then return reply:text(v) end
  if type(v) ~= "table" then return end
  for _, part in ipairs(v) do
    if type(part) == "table" then
      local inner = part.text or part.thinking or part.reasoning
      if type(inner) == "table" then inner = inner[1] and inner[1].text end
      local thought = part.type == "thinking" or part.type == "reasoning"
      if thought then reply:thinking(text_of(inner)) else reply:text(text_of(inner)) end
    end
  end
end

local function take_message(self, m)
  if type(m) ~= "table" then return end
  local thought = text_of(m.reasoning_content)
  if thought == "" then thought = text_of(m.reasoning) end
  self.reply:thinking(thought)
  take_content(self.reply, m.content)
  self.reply:refuse(text_of(m.refusal))
  if type(m.tool_calls) == "table" and next(m.tool_calls) or type(m.function_call) == "table" then
    self.reply:began()
    self.tools = true
  end
end

-- Usage may come with any chunk, with no choices beside it, and more than once: the last counts.
local function take_usage(self, u)
  if type(u) ~= "table" then return end
  local prompt, output = usage.tokens(u.prompt_tokens), usage.tokens(u.completion_tokens)
  if not prompt or not output then return end
  local inside = type(u.prompt_tokens_details) == "table" and u.prompt_tokens_details or {}
  local detail = type(u.completion_tokens_details) == "table" and u.completion_tokens_details or {}
  local read = usage.tokens(inside.cached_tokens) or usage.tokens(u.prompt_cache_hit_tokens) or 0
  local written = usage.tokens(inside.cache_write_tokens) or 0
  local thinking = usage.tokens(detail.reasoning_tokens) or usage.tokens(u.reasoning_tokens) or 0
  -- Some hosts count thinking beside the answer, not in it.
  if thinking > 0 and usage.tokens(u.total_tokens) == prompt + output + thinking then output = output + thinking end
  self.usage = { input = math.max(0, prompt - read - written), cache_read = read, cache_write = written, output = output,
    thinking = math.min(thinking, output), estimated = false }
end

local function take_choice(self, choice)
  if type(choice) ~= "table" or math.type(choice.index) and choice.index ~= 0 then return end
  if type(choice.error) == "table" then self.error = choice.error end
  take_message(self, choice.delta)
  take_message(self, choice.message)
  self.reply:text(text_of(choice.text))
  if type(choice.finish_reason) == "string" then self.finish = choice.finish_reason end
  if type(choice.stop_reason) == "string" then self.stopped_by = choice.stop_reason end
  if type(choice.content_filter_results) == "table" then self.filter = choice.content_filter_results end
end

local function take(self, v)
  if v.error ~= nil and v.error ~= json.null then
    self.error = v
    return
  end
  if type(v.id) == "string" then self.id = v.id end
  if type(v.model) == "string" and v.model ~= "" then self.model = v.model end
  if type(v.choices) == "table" then
    self.seen = true
    take_choice(self, v.choices[1])
  end
  take_usage(self, v.usage)
end

---One server-sent event.
---@return boolean|nil more  nil: the reply is over, or is none
function Reader:event(name, data)
  if self.over then return nil end
  local mark = data:match("^%s*%[DONE%]")
  if mark then
    self.ended, self.over = true, true
    return nil
  end
  if data == "" or data:find("^%s*$") then return true end
  local v, mended = json.mend(data)
  if type(v) ~= "table" then
    if name == "error" then self.error = data else self.garbled = data end
  else
    if mended > 0 then self.cleaned = true end
    if name == "error" and v.error == nil then self.error = v else take(self, v) end
  end
  if self.error or self.garbled then self.over = true end
  return not self.over or nil
end

---The whole body of a reply that is no stream.
---@param v table
function Reader:document(v)
  take(self, v)
  if not self.finish and self.seen then self.finish = "stop" end
  self.ended = true
end

local STOPS = {
  stop = "end", eos = "end", eos_token = "end", end_turn = "end", tool_calls = "end", function_call = "end",
  stop_sequence = "stop", length = "max_tokens", max_tokens = "max_tokens", model_length = "context",
  content_filter = "refusal", refusal = "refusal", safety = "refusal", recitation = "refusal",
}
local BROKEN = { insufficient_system_resource = 503, error = 500, abort = 500, aborted = 500, cancelled = 500 }

-- A reply that ends for length below the limit that was sent ran out of context.
local function stop_reason(self, refusal)
  if refusal then return "refusal" end
  local reason = STOPS[(self.finish or "stop"):lower()] or "end"
  if reason == "end" and self.stopped_by and self.context.request.stop then return "stop" end
  local limit, output = self.context.limit, self.usage and self.usage.output or 0
  if reason == "max_tokens" and limit and output > 0 and output < limit then return "context" end
  return reason
end

local function filtered(self)
  local out = {}
  for name, v in pairs(self.filter or {}) do
    if type(v) == "table" and v.filtered == true then out[#out + 1] = tostring(name) end
  end
  table.sort(out)
  return "the provider's content filter ended the reply" .. (out[1] and ": " .. table.concat(out, ", ") or "")
end

---What has arrived and been paid for, of a reply that did not come to its end.
function Reader:partial()
  local text, thinking = self.reply:parts()
  return { text = text, usage = self.usage or usage.estimate(self.context.request, text, thinking) }
end

---The result, once the body has ended in order.
---@return table|nil result
---@return table? failure
function Reader:result()
  local c = self.context
  local where = c.model.host
  if self.error then return nil, failure.of_event(where, c.headers, self.error) end
  if self.garbled then return nil, failure.garbled(where, "what is no JSON: " .. self.garbled) end
  local broken = BROKEN[self.finish or ""]
  if broken then
    local message = "the reply ended with finish_reason " .. self.finish
    return nil, failure.of_event(where, c.headers, { error = { code = broken, message = message } })
  end
  if not self.seen then
    return nil, failure.garbled(where, self.ended and "a reply without choices" or "no event of a reply")
  end
  if not self.finish and not self.ended then return nil, failure.cut(where, "the stream stopped before its end") end
  local text, thinking, refusal = self.reply:parts()
  local reason = stop_reason(self, refusal)
  if reason == "refusal" then refusal = refusal or filtered(self) end
  return { text = text, thinking = thinking, stop_reason = reason, refusal = refusal, model = self.model or c.model.name,
    usage = self.usage or usage.estimate(c.request, text, thinking), id = self.id, tools = self.tools,
    cleaned = self.cleaned }
end

return M
