-- anthropic.lua - the server's side of Anthropic's Messages API: a whole reply or a stream,
-- from scripted replies (`replies=FILE`) or the same words for the same prompt.  Other
-- scripts require it for `answer`.

local wire = require("wire")

local M = {}

local function error_body(e)
  local body = type(e) == "table" and e or { message = e }
  return { type = "error", error = { type = body.type or "api_error", message = body.message, details = body.details },
    request_id = "req_1" }
end

local function usage_of(reply, body)
  if reply.usage then return reply.usage end
  return { input_tokens = wire.tokens((wire.prompt(body))), cache_read_input_tokens = 0,
    cache_creation_input_tokens = 0,
    output_tokens = wire.tokens((reply.text or "") .. (reply.thinking or "")) }
end

local function blocks(reply)
  local out = {}
  if reply.thinking then out[1] = { type = "thinking", thinking = reply.thinking, signature = "c2lnbmVk" } end
  for _, block in ipairs(reply.blocks or {}) do out[#out + 1] = block end
  if reply.text then out[#out + 1] = { type = "text", text = reply.text } end
  return out
end

local function stop_of(reply)
  if reply.finish ~= nil then return reply.finish or json.null end
  return reply.refusal and "refusal" or "end_turn"
end

local function details_of(reply)
  return reply.refusal and { type = "refusal", category = reply.category or json.null, explanation = reply.refusal }
    or json.null
end

local function whole(res, reply, body)
  res:reply(200, { ["Content-Type"] = "application/json" }, json.encode { id = "msg_1", type = "message",
    role = "assistant",
    model = reply.model or body.model, content = blocks(reply), stop_reason = stop_of(reply), stop_sequence = json.null,
    stop_details = details_of(reply), usage = usage_of(reply, body) })
end

local DELTAS = { text = "text_delta", thinking = "thinking_delta" }

---The events of a streamed reply.
---@return string[]
function M.events(reply, body)
  local out, usage = {}, usage_of(reply, body)
  local function event(v) out[#out + 1] = "event: " .. v.type .. "\ndata: " .. json.encode(v) .. "\n\n" end
  local first = {}
  for k, v in pairs(usage) do first[k] = v end
  first.output_tokens = 1
  event { type = "message_start", message = { id = "msg_1", type = "message", role = "assistant",
    model = reply.model or body.model,
    content = {}, stop_reason = json.null, stop_sequence = json.null, usage = first } }
  event { type = "ping" }
  for i, block in ipairs(blocks(reply)) do
    local kind = block.type
    local empty = { type = kind, [kind] = "" }
    event { type = "content_block_start", index = i - 1, content_block = DELTAS[kind] and empty or block }
    for _, s in ipairs(DELTAS[kind] and wire.pieces(block[kind], reply.pieces) or {}) do
      event { type = "content_block_delta", index = i - 1, delta = { type = DELTAS[kind], [kind] = s } }
    end
    if block.signature then
      event { type = "content_block_delta", index = i - 1, delta = { type = "signature_delta",
        signature = block.signature } }
    end
    event { type = "content_block_stop", index = i - 1 }
  end
  event { type = "message_delta", delta = { stop_reason = stop_of(reply), stop_sequence = json.null,
    stop_details = details_of(reply) },
    usage = { output_tokens = usage.output_tokens, output_tokens_details = usage.output_tokens_details } }
  event { type = "message_stop" }
  return out
end

---Answers one request with one reply.
---@param reply table  see wire.lua; also blocks, category
---@param body? table  the request's, decoded
function M.answer(req, res, reply, body)
  body = body or json.decode(req.body) or {}
  if wire.plain(res, reply, error_body) then return end
  if not body.stream then return whole(res, reply, body) end
  wire.stream(res, M.events(reply, body), reply.pause)
end

if type(...) == "table" then return wire.server(..., M.answer) end
return M
