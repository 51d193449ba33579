-- llm/failure.lua - why a request did not give a reply, in one vocabulary for all providers.
--
-- failure = { code, status, message, retry_after, should_retry, parameter, gate, refusal }

local bodies = require("erlua.llm.error_body")
local limits = require("erlua.llm.limits")
local text = require("erlua.text")

local M = {}

local LONGEST = 500            -- bytes of a provider's message that are shown

-- What an error calls itself -> the HTTP status that it would have had on its own.
local STATUS = {
  invalid_request_error = 400, BadRequestError = 400, invalid_prompt = 400, context_length_exceeded = 400,
  authentication_error = 401, invalid_api_key = 401, billing_error = 402, insufficient_quota = 429,
  permission_error = 403, not_found_error = 404, model_not_found = 404, NotFoundError = 404, timeout_error = 504,
  conflict_error = 409, request_too_large = 413, rate_limit_error = 429, rate_limit_exceeded = 429,
  requests = 429, tokens = 429, api_error = 500, server_error = 500, InternalServerError = 500, internal_error = 500,
  overloaded_error = 529, overloaded = 529, engine_overloaded = 503, service_unavailable = 503,
}

local BY_STATUS = {
  [401] = "auth", [402] = "billing", [403] = "permission", [404] = "not_found", [408] = "timeout", [409] = "server",
  [413] = "too_large", [425] = "server", [429] = "rate_limit", [503] = "overloaded", [504] = "server", [529] = "overloaded",
}

local function code_of(status)
  if BY_STATUS[status] then return BY_STATUS[status] end
  if status >= 500 then return "server" end
  return status >= 300 and status < 400 and "url" or "bad_request"
end

local function has(s, patterns)
  for _, p in ipairs(patterns) do
    if s:find(p) then return true end
  end
  return false
end

-- What providers say, in lower case.
local CONTEXT = { "context_length_exceeded", "context length", "context window", "context size", "prompt is too long",
  "maximum context", "input is too long", "too many input tokens", "exceed_context_size",
  "input length and `max_tokens` exceed" }
local RESPONSES = { "only supported in v1/responses", "not a chat model", "use /?v1/responses",
  "only available in the responses api", "supported in the responses api", "responses api only" }
local QUOTA = { "insufficient_quota", "spend_limit_reached", "billing_hard_limit", "exceeded your current quota",
  "insufficient balance", "insufficient credit", "credit balance is too low", "out of credits", "billing_not_active",
  "account is not active", "spend limit" }
local PASSING = { "per minute", "per second", "perminute", "per day and model", "requests/min", "ramp_limit", "try again in" }
local REFUSED = { "content_filter", "content_policy_violation", "content management policy", "invalid_prompt",
  "flagged as potentially", "requires moderation", "responsibleaipolicyviolation" }

-- One line of bounded length, without what might be a key.
local function shown(s)
  s = text.clean(s:sub(1, 4 * LONGEST)):gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")
  s = s:gsub("%f[%w]sk%-[%w_%-%*%.]+", "sk-…")
  return text.cut(s, LONGEST)
end

-- Does the model's whole context not hold the prompt, or only not the answer's room as well?
local function fits(said)
  local prompt, limit = said:match("exceed context limit: (%d+) %+ %d+ > (%d+)")
  limit = limit or said:match("context length is (%d+)") or said:match("context length of (%d+)")
  prompt = prompt or said:match("%((%d+) in the messages") or said:match("(%d+) input tokens")
  if limit and prompt then return tonumber(prompt) < tonumber(limit) end
  return said:find("^'?max_tokens") ~= nil or said:find("max_completion_tokens'? is too large") ~= nil
end

local function is_page(said) return said:find("^an HTML page") ~= nil end

-- A 404 or a 405 for a page of the web, or for the path itself, is a wrong URL and no wrong model.
local function wrong_path(status, parsed)
  if status ~= 404 and status ~= 405 then return false end
  local said = parsed.message:lower()
  return is_page(parsed.message) or said == "not found" or said:find("404 page not found", 1, true) ~= nil
    or said == "method not allowed" or said:find("file not found", 1, true) ~= nil or said:find("^invalid url") ~= nil
end

-- The code of an error, from its status and from what it says.
local function classify(status, parsed)
  local said = ((parsed.code or "") .. " " .. (parsed.type or "") .. " " .. parsed.message):lower()
  if status == 402 then return "billing" end
  if status < 500 and has(said, QUOTA) and not has(said, PASSING) then return status == 429 and "quota" or "billing" end
  if status == 400 or status == 404 then
    if has(said, RESPONSES) then return "responses_only" end
  end
  if (status == 400 or status == 413 or status == 422 or status == 500) and has(said, CONTEXT) then return "context" end
  if wrong_path(status, parsed) then return "url" end
  return code_of(status)
end

local HINTS = {
  responses_only = "this model exists only in the Responses API, and erlua speaks chat completions: choose another model",
  url = "is the URL right? It should be the part before /chat/completions or /v1/messages, such as http://host:8000/v1",
}

local function refused(status, parsed, said)
  if status ~= 400 and status ~= 403 then return nil end
  local o = parsed.object or {}
  local inner = type(o.innererror) == "table" and tostring(o.innererror.code) or ""
  local moderated = type(o.metadata) == "table" and o.metadata.reasons ~= nil
  if type(o.misalignment) == "table" then return bodies.words(o.misalignment.detailed_explanation) or parsed.message end
  if moderated or has((said .. " " .. inner):lower(), REFUSED) then return parsed.message end
end

---@param host_name string  for messages
---@param status integer
---@param headers table<string, string>
---@param body string|table
---@return table failure
function M.of_status(host_name, status, headers, body)
  local parsed = bodies.parse(body)
  local code = classify(status, parsed)
  local said = shown(parsed.message)
  local message = string.format("%s answered %d%s%s", host_name, status, said ~= "" and ": " or "", said)
  if HINTS[code] then message = message .. " (" .. HINTS[code] .. ")" end
  local out = { code = code, status = status, message = message, retry_after = limits.retry_after(headers),
    should_retry = limits.should_retry(headers), gate = limits.gate(headers), said = parsed }
  local refusal = refused(status, parsed, (parsed.code or "") .. " " .. parsed.message)
  out.refusal = refusal and text.cut(refusal, 4 * LONGEST)
  if code == "context" and fits(parsed.message) then out.code, out.too_long = "bad_request", true end
  return out
end

---An error that came inside a reply whose status was 200: as the status it stands for.
---@param host_name string
---@param headers table<string, string>
---@param body string|table
---@return table failure
function M.of_event(host_name, headers, body)
  local parsed = bodies.parse(body)
  local status = parsed.status or STATUS[parsed.code or ""] or STATUS[parsed.type or ""]
  if not status or status < 300 or status > 599 then status = 500 end
  return M.of_status(host_name, status, headers, body)
end

local TRANSPORT = {
  EURL = "url", EDNS = "dns", ECONNECT = "connect", ETLS = "tls", ETIMEDOUT = "timeout", EIDLE = "idle",
  ECUT = "cut", ETOOBIG = "too_large", EPROTO = "garbled", ENOCURL = "url", EHEADER = "url",
}

---A connection that failed.
---@param message string
---@param code string  of core.http
---@return table failure
function M.of_transport(host_name, message, code)
  return { code = TRANSPORT[code] or "connect", message = host_name .. ": " .. shown(message) }
end

---A reply that is none.
function M.garbled(host_name, what) return { code = "garbled", message = host_name .. " sent " .. shown(what) } end

---A reply that stopped before its end.
function M.cut(host_name, what) return { code = "cut", message = host_name .. ": " .. what } end

-- ---- which optional parameter a 400 is about --------------------------------------------------------

-- Words of plain English are names of parameters only where they are marked as such.
local PLAIN = { stop = true, seed = true, thinking = true, effort = true }

local function named(said, name)
  local word = name:gsub("%p", "%%%0")
  if not PLAIN[name] then return said:find("%f[%w_]" .. word .. "%f[^%w_]") ~= nil end
  return has(said, { "[`'\"]" .. word .. "[`'\".%[]", "^" .. word .. "%s*[:.]", "[Pp]arameters?:? " .. word .. "%f[^%w_]",
    "[Aa]rguments?:? " .. word .. "%f[^%w_]", "[%.%]]" .. word .. "%f[^%w_]", "%f[%w]" .. word .. " is not supported" })
end

-- "temperature", "thinking.budget_tokens", "messages.0.content.1.cache_control"
local function path_names(path, name)
  return path == name or path:sub(1, #name + 1) == name .. "." or path:sub(-#name - 1) == "." .. name
    or path:find("." .. name .. ".", 1, true) ~= nil
end

---@param failure table  of of_status
---@param names table<string, string>  names on the wire that were sent -> what they are called in a request
---@return string|nil parameter
function M.parameter(failure, names)
  if failure.code ~= "bad_request" or failure.refusal or not failure.said then return nil end
  local param, said = failure.said.param, failure.said.message
  local order = {}
  for wire in pairs(names) do order[#order + 1] = wire end
  table.sort(order, function(a, b) return #a > #b or #a == #b and a < b end)
  if failure.too_long then return names.max_tokens or names.max_completion_tokens end
  for _, wire in ipairs(order) do
    if param and path_names(param, wire) then return names[wire] end
  end
  for _, wire in ipairs(order) do
    if named(said, wire) then return names[wire] end
  end
end

return M
