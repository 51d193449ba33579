-- llm/anthropic.lua - requests for Anthropic's Messages API.
-- Its version of 2026-10-21 answers 400 to temperature and top_p.  A request whose caller
-- asked for one of them is sent as the version before, where older models still take it.

local compose = require("erlua.llm.compose")
local failure = require("erlua.llm.failure")
local models = require("erlua.llm.models")
local reader = require("erlua.llm.anthropic_reader")
local spec = require("erlua.llm.spec")

local M = {}

local VERSION, SAMPLING_VERSION = "2026-10-21", "2023-06-01"
local MARKS = 4                -- at most in a request

-- Names on the wire -> the name under which a call drops what is refused.
local OPTIONAL = {
  temperature = "temperature", top_p = "top_p", stop_sequences = "stop", thinking = "thinking", budget_tokens = "thinking",
  output_config = "thinking", effort = "thinking", cache_control = "cache", max_tokens = "max_tokens", format = "json",
}

local function blocks(list)
  if #list == 1 and not list[1].cache then return list[1].text end
  local out = {}
  for i, part in ipairs(list) do
    out[i] = { type = "text", text = part.text, cache_control = part.cache and { type = "ephemeral" } or nil }
  end
  return out
end

-- Of too many marks the last ones stay: they cover the longest prefixes.
local function limit_marks(system, list, takes)
  local left = takes and MARKS or 0
  local function pass(parts)
    for i = #parts, 1, -1 do
      if parts[i].cache and left == 0 then parts[i].cache = nil end
      if parts[i].cache then left = left - 1 end
    end
  end
  for i = #list, 1, -1 do pass(list[i].parts) end
  if system then pass(system) end
end

local function set_messages(body, request)
  local system, list = compose.messages(request)
  limit_marks(system, list, compose.takes(request, "cache"))
  if system then body.system = blocks(system) end
  body.messages = {}
  for i, message in ipairs(list) do body.messages[i] = { role = message.role, content = blocks(message.parts) } end
end

local function config(body)
  body.output_config = body.output_config or {}
  return body.output_config
end

-- No thinking: by its type where the model has one for that, else by the lowest effort.
local function no_thinking(body, row)
  if row.off == "low" then config(body).effort = "low" else body.thinking = { type = row.off } end
end

local function set_thinking(body, row, v)
  if not row.think then return end
  if models.is_off(v) then return no_thinking(body, row) end
  if row.think == "budget" then
    local tokens = models.budget(v, body.max_tokens)
    if tokens then body.thinking = { type = "enabled", budget_tokens = tokens } end
    return
  end
  body.thinking = { type = "adaptive", display = "summarized" }
  if v ~= true then config(body).effort = models.effort(row.levels, v) end
end

local function sent(body)
  local out = { cache_control = "cache" }
  for wire, name in pairs(OPTIONAL) do
    if body[wire] ~= nil then out[wire] = name end
  end
  if body.thinking and body.thinking.budget_tokens then out.budget_tokens = "thinking" end
  if body.output_config then
    out.effort = body.output_config.effort and "thinking" or nil
    out.format = body.output_config.format and "json" or nil
    if not body.output_config.effort then out.output_config = "json" end
  end
  return out
end

---@param model table  of llm/spec.lua
---@param request table
---@return {url: string, headers: string[], body: string, sent: table<string, string>, limit: integer}
function M.request(model, request)
  local row = models.of(model)
  local body = { model = model.name, stream = compose.streams(request) }
  -- The limit cannot be left out here: once it was refused, one that every model takes is sent.
  body.max_tokens = compose.takes(request, "max_tokens") and compose.limit(request, row)
    or math.min(4096, request.max_tokens or 4096)
  set_messages(body, request)
  local sampling = false
  for _, name in ipairs { "temperature", "top_p" } do
    if compose.wants(request, name) then body[name], sampling = request[name], true end
  end
  if compose.wants(request, "stop") then body.stop_sequences = compose.stops(request) end
  if compose.wants(request, "thinking") then set_thinking(body, row, request.thinking) end
  if compose.wants(request, "json") and type(request.json) == "table" then
    config(body).format = { type = "json_schema", schema = request.json }
  end
  local version = (sampling or not model.own) and SAMPLING_VERSION or VERSION
  return { url = spec.url(model.base, "messages"), headers = { "anthropic-version: " .. version },
    body = compose.encode(body), sent = sent(body), limit = body.max_tokens }
end

---The headers that carry the key.  Other servers of this API know the older one.
function M.auth(model, key)
  local bearer = "authorization: Bearer " .. key
  return model.own and { bearer } or { bearer, "x-api-key: " .. key }
end

---Of a 400: the name under which a call drops what is refused.
M.parameter = failure.parameter

M.reader = reader.new

return M
