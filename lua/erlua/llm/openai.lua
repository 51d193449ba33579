-- llm/openai.lua - requests for chat completions, as OpenAI has them and as vLLM, llama.cpp, Ollama,
-- OpenRouter, Together, DeepSeek and others speak them.  What only OpenAI's own host
-- knows is sent only there.

local compose = require("erlua.llm.compose")
local failure = require("erlua.llm.failure")
local models = require("erlua.llm.models")
local reader = require("erlua.llm.openai_reader")
local spec = require("erlua.llm.spec")

local M = {}

-- Names on the wire -> the name under which a call drops what is refused.
local OPTIONAL = {
  temperature = "temperature", top_p = "top_p", stop = "stop", seed = "seed", reasoning_effort = "thinking",
  response_format = "json", stream_options = "stream_options", include_obfuscation = "obfuscation",
  prompt_cache_breakpoint = "cache", cache_control = "cache",
  max_tokens = "max_tokens", max_completion_tokens = "max_tokens",
}

-- How this host marks the end of a prompt's unchanging part, if it does.
local function mark_of(model, row)
  if model.own and row.marks then return "prompt_cache_breakpoint", { mode = "explicit" } end
  if model.host == "openrouter.ai" then return "cache_control", { type = "ephemeral" } end
end

-- Many servers take a content only as one string: parts are sent where they carry a mark.
local function content(list, name, mark)
  local marked = false
  for _, part in ipairs(list) do marked = marked or part.cache end
  if not (marked and name) then return compose.joined(list) end
  local out = {}
  for i, part in ipairs(list) do
    out[i] = { type = "text", text = part.text .. (i < #list and "\n\n" or "") }
    if part.cache then out[i][name] = mark end
  end
  return out
end

local function messages(model, row, request)
  local system, list = compose.messages(request)
  local name, mark = mark_of(model, row)
  if not compose.takes(request, "cache") then name = nil end
  local out = {}
  if system then out[1] = { role = "system", content = content(system, name, mark) } end
  for _, message in ipairs(list) do
    out[#out + 1] = { role = message.role, content = content(message.parts, name, mark) }
  end
  return out
end

local function effort(row, v)
  if not row.think or v == true then return nil end
  if models.is_off(v) then return row.off end
  return models.effort(row.levels, v)
end

local function format(v)
  if v == true then return { type = "json_object" } end
  return { type = "json_schema", json_schema = { name = "reply", schema = v } }
end

-- The limit goes by the name that the host knows, or by the other one once it has said so.
local function set_limit(body, model, row, request)
  if not compose.takes(request, "max_tokens") then return end
  local new = model.own
  if request.without and request.without.max_tokens_name then new = not new end
  body[new and "max_completion_tokens" or "max_tokens"] = compose.limit(request, row)
end

local function set_stream(body, model, request)
  if not compose.streams(request) then return end
  body.stream = true
  if not compose.takes(request, "stream_options") then return end
  body.stream_options = { include_usage = true }
  if model.own and compose.takes(request, "obfuscation") then body.stream_options.include_obfuscation = false end
end

local function sent(body)
  local out = {}
  for wire, name in pairs(OPTIONAL) do
    if body[wire] ~= nil then out[wire] = name end
  end
  for _, wire in ipairs { "prompt_cache_breakpoint", "cache_control" } do out[wire] = OPTIONAL[wire] end
  if body.stream_options then out.include_obfuscation = OPTIONAL.include_obfuscation end
  return out
end

---@param model table  of llm/spec.lua
---@param request table
---@return {url: string, headers: string[], body: string, sent: table<string, string>, limit: integer?}
function M.request(model, request)
  local row = models.of(model)
  local body = { model = model.name, messages = messages(model, row, request) }
  for _, name in ipairs { "temperature", "top_p", "seed" } do
    if compose.wants(request, name) then body[name] = request[name] end
  end
  if compose.wants(request, "stop") then body.stop = compose.stops(request) end
  if compose.wants(request, "thinking") then body.reasoning_effort = effort(row, request.thinking) end
  if compose.wants(request, "json") and request.json then body.response_format = format(request.json) end
  set_limit(body, model, row, request)
  set_stream(body, model, request)
  return { url = spec.url(model.base, "chat/completions"), headers = {}, body = compose.encode(body), sent = sent(body),
    limit = body.max_tokens or body.max_completion_tokens }
end

---The header that carries the key.
function M.auth(_, key) return { "authorization: Bearer " .. key } end

---Of a 400: the name under which a call drops what is refused.
function M.parameter(found, sent_names)
  local said = found.said and found.said.message or ""
  local other = sent_names.max_tokens and "max_completion_tokens" or "max_tokens"
  if not found.too_long and said:find(other, 1, true) and (sent_names.max_tokens or sent_names.max_completion_tokens)
    and said:lower():find("instead", 1, true) then return "max_tokens_name" end
  return failure.parameter(found, sent_names)
end

M.reader = reader.new

return M
