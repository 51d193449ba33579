-- llm/anthropic_reader.lua - a message, streamed or whole, becomes a result or a failure.
-- Events and blocks of kinds that are not known are skipped.  An event that comes twice
-- does no harm where that can be seen: blocks are numbered and closed, usage is cumulative.

local json = require("erlua.json")
local failure = require("erlua.llm.failure")
local replies = require("erlua.llm.reply")
local usage = require("erlua.llm.usage")

local M = {}

local Reader = {}
Reader.__index = Reader

---@param context {model: table, request: table, hooks: table, limit: integer?, headers: table}
function M.new(context)
  return setmetatable({ context = context, reply = replies.new(context.hooks), blocks = {}, counts = {} }, Reader)
end

local function text_of(v) return type(v) == "string" and v or "" end

local COUNTS = { "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens" }

-- Cumulative: what a later event says takes the place of what an earlier one said.
local function take_usage(self, u, last)
  if type(u) ~= "table" then return end
  for _, name in ipairs(COUNTS) do self.counts[name] = usage.tokens(u[name]) or self.counts[name] end
  local detail = type(u.output_tokens_details) == "table" and u.output_tokens_details or {}
  self.counts.thinking = usage.tokens(detail.thinking_tokens) or self.counts.thinking
  if last and usage.tokens(u.output_tokens) then self.counted = true end
end

local function take_block(self, block)
  if type(block) ~= "table" then return end
  if block.type == "text" then self.reply:text(text_of(block.text))
  elseif block.type == "thinking" then self.reply:thinking(text_of(block.thinking))
  elseif block.type == "tool_use" or block.type == "server_tool_use" then self.tools = true end
  self.reply:began()
end

local function take_delta(self, delta)
  if type(delta) ~= "table" then return end
  if delta.type == "text_delta" then self.reply:text(text_of(delta.text))
  elseif delta.type == "thinking_delta" then self.reply:thinking(text_of(delta.thinking)) end
end

local function take_end(self, delta)
  if type(delta) ~= "table" then return end
  if type(delta.stop_reason) == "string" then self.stop = delta.stop_reason end
  if type(delta.stop_details) == "table" then self.details = delta.stop_details end
end

local function take_head(self, message)
  if type(message) ~= "table" then return end
  self.seen = true
  if type(message.id) == "string" then self.id = message.id end
  if type(message.model) == "string" and message.model ~= "" then self.model = message.model end
  take_usage(self, message.usage)
end

-- A block that starts again under its number and kind is a repetition, and stays closed.
-- Gateways that give every block the same number, or none, are heard all the same.
local function start_block(self, v)
  local index, kind = v.index, type(v.content_block) == "table" and v.content_block.type or nil
  local known = self.blocks[index or ""]
  if known and index and known.kind == kind then return end
  self.blocks[index or ""] = { kind = kind }
  take_block(self, v.content_block)
end

local function is_closed(self, v)
  local known = v.index and self.blocks[v.index]
  return known and known.closed
end

local EVENTS = {
  message_start = function(self, v)
    if not self.seen then take_head(self, v.message) end
  end,
  content_block_start = function(self, v)
    self.seen = true
    start_block(self, v)
  end,
  content_block_delta = function(self, v)
    self.seen = true
    if not is_closed(self, v) then take_delta(self, v.delta) end
  end,
  content_block_stop = function(self, v)
    local known = v.index and self.blocks[v.index]
    if known then known.closed = true end
  end,
  message_delta = function(self, v)
    take_end(self, v.delta)
    take_usage(self, v.usage, true)
  end,
  message_stop = function(self) self.ended, self.over = true, true end,
  error = function(self, v) self.error, self.over = v, true end,
}

---One server-sent event.
---@return boolean|nil more  nil: the reply is over, or is none
function Reader:event(name, data)
  if self.over then return nil end
  if name == "ping" or data:find("^%s*$") or data:find("^%s*%[DONE%]") then return true end
  local v, mended = json.mend(data)
  if type(v) ~= "table" then
    self.over = true
    if name == "error" then self.error = data else self.garbled = data end
    return nil
  end
  if mended > 0 then self.cleaned = true end
  local take = EVENTS[v.type] or EVENTS[name] or v.error ~= nil and v.error ~= json.null and EVENTS.error
  if take then take(self, v) end
  return not self.over or nil
end

---The whole body of a reply that is no stream.
---@param v table
function Reader:document(v)
  if v.type == "error" or v.error ~= nil and v.error ~= json.null then
    self.error = v
    return
  end
  if type(v.content) ~= "table" then return end
  take_head(self, v)
  take_usage(self, v.usage, true)
  for _, block in ipairs(v.content) do take_block(self, block) end
  take_end(self, v)
  self.ended = true
end

local STOPS = { end_turn = "end", stop_sequence = "stop", max_tokens = "max_tokens",
  model_context_window_exceeded = "context", refusal = "refusal" }

local function explanation(self)
  local d = self.details or {}
  local said = text_of(d.explanation)
  if said ~= "" then return said end
  return "the model refused" .. (type(d.category) == "string" and " (" .. d.category .. ")" or "")
end

-- What was counted; the output of a reply that never came to its end is estimated.
local function used(self)
  local text, thinking = self.reply:parts()
  local c = self.counts
  local guess = usage.estimate(self.context.request, text, thinking)
  if not c.input_tokens then return guess end
  return { input = c.input_tokens, cache_read = c.cache_read_input_tokens or 0,
    cache_write = c.cache_creation_input_tokens or 0,
    output = self.counted and c.output_tokens or math.max(guess.output, c.output_tokens or 0),
    thinking = c.thinking or (not self.counted and guess.thinking) or 0, estimated = not self.counted }
end

---What has arrived and been paid for, of a reply that did not come to its end.
function Reader:partial()
  return { text = (self.reply:parts()), usage = used(self) }
end

---The result, once the body has ended in order.
---@return table|nil result
---@return table? failure
function Reader:result()
  local c = self.context
  local where = c.model.host
  if self.error then return nil, failure.of_event(where, c.headers, self.error) end
  if self.garbled then return nil, failure.garbled(where, "what is no JSON: " .. self.garbled) end
  if not self.seen then return nil, failure.garbled(where, "no message") end
  if not self.ended and not self.stop then return nil, failure.cut(where, "the stream stopped before its end") end
  local text, thinking = self.reply:parts()
  local reason = STOPS[self.stop] or "end"
  return { text = text, thinking = thinking, stop_reason = reason, refusal = reason == "refusal" and explanation(self) or nil,
    usage = used(self), model = self.model or c.model.name, id = self.id, tools = self.tools, cleaned = self.cleaned }
end

return M
