-- openai.lua - the server's side of chat completions: a whole reply or a stream, from
-- scripted replies (`replies=FILE`) or the same words for the same prompt.  Other scripts
-- require it for `answer`.

local wire = require("wire")

local M = {}

local function error_body(e) return { error = type(e) == "table" and e or { message = e, type = "error" } } end

local function usage_of(reply, body)
  if reply.usage ~= nil then return reply.usage or nil end
  local prompt, output = wire.tokens((wire.prompt(body))), wire.tokens((reply.text or "") .. (reply.thinking or ""))
  return { prompt_tokens = prompt, completion_tokens = output, total_tokens = prompt + output,
    completion_tokens_details = reply.thinking and { reasoning_tokens = wire.tokens(reply.thinking) } or nil }
end

local function finish_of(reply)
  if reply.finish ~= nil then return reply.finish or nil end
  return "stop"
end

local function whole(res, reply, body, head)
  local message = { role = "assistant", content = reply.content or reply.text or json.null, refusal = reply.refusal,
    tool_calls = reply.tool_calls }
  if reply.thinking then message[reply.thinking_field or "reasoning_content"] = reply.thinking end
  head.object, head.usage = "chat.completion", usage_of(reply, body)
  head.choices = { { index = 0, message = message, finish_reason = finish_of(reply) or json.null } }
  res:reply(200, { ["Content-Type"] = "application/json" }, json.encode(head))
end

local function deltas(reply)
  local out = { { role = "assistant", content = "" } }
  for _, s in ipairs(reply.thinking and wire.pieces(reply.thinking, reply.pieces) or {}) do
    out[#out + 1] = { [reply.thinking_field or "reasoning_content"] = s }
  end
  for _, s in ipairs(reply.text and wire.pieces(reply.text, reply.pieces) or {}) do out[#out + 1] = { content = s } end
  if reply.refusal then out[#out + 1] = { refusal = reply.refusal } end
  if reply.tool_calls then out[#out + 1] = { tool_calls = reply.tool_calls } end
  return out
end

---The events of a streamed reply.
---@return string[]
function M.events(reply, body)
  local out = {}
  local function event(choices, usage)
    local chunk = { id = "chatcmpl-1", object = "chat.completion.chunk", created = 1, model = reply.model or body.model,
      choices = choices, usage = usage or json.null }
    out[#out + 1] = "data: " .. json.encode(chunk) .. "\n\n"
  end
  for _, delta in ipairs(deltas(reply)) do event { { index = 0, delta = delta, finish_reason = json.null } } end
  event { { index = 0, delta = json.object {}, finish_reason = finish_of(reply) or json.null } }
  local usage = usage_of(reply, body)
  if usage and body.stream_options and body.stream_options.include_usage then event({}, usage) end
  out[#out + 1] = "data: [DONE]\n\n"
  return out
end

---Answers one request with one reply.
---@param reply table  see wire.lua; also content, tool_calls, thinking_field
---@param body? table  the request's, decoded
function M.answer(req, res, reply, body)
  body = body or json.decode(req.body) or {}
  if wire.plain(res, reply, error_body) then return end
  local head = { id = "chatcmpl-1", created = 1, model = reply.model or body.model }
  if not body.stream then return whole(res, reply, body, head) end
  wire.stream(res, M.events(reply, body), reply.pause)
end

if type(...) == "table" then return wire.server(..., M.answer) end
return M
