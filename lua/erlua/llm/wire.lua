-- llm/wire.lua - one request to a model: sent, read, and turned into a result or a failure.
-- No retries, no waiting, no budget: those are llm/call.lua's.  Only to be called in bodies
-- of effects and without a study: what happens here is in no journal, and keys are read.
--
-- result  = { text, thinking, stop_reason, refusal, usage, model, id, gate, tools, cleaned }
-- failure = { code, status, message, retry_after, should_retry, parameter, gate, partial }
--   (gate: what the headers say about the allowance, see llm/limits.lua)

local http = require("erlua.core.http")
local json = require("erlua.json")
local compose = require("erlua.llm.compose")
local failure = require("erlua.llm.failure")
local keys = require("erlua.llm.key")
local limits = require("erlua.llm.limits")
local models = require("erlua.llm.models")
local sse = require("erlua.sse")

local M = {}

local PROVIDERS = { anthropic = "erlua.llm.anthropic", openai = "erlua.llm.openai" }

local CONNECT, IDLE = 30, 600  -- seconds; a model that thinks may be silent for long
local MAX_REPLY = 64 << 20     -- bytes
local MAX_ERROR = 256 << 10    -- of an error's body that are read
local MAX_SPACE = 64 << 10     -- before the first byte that says what a body is

local agent = "user-agent: erlua/" .. require("erlua.core.host").version()

local function open(model, built, key, request)
  local headers = { "content-type: application/json", "accept: application/json, text/event-stream", agent,
    table.unpack(built.headers) }
  if key then
    for _, header in ipairs(built.auth(model, key)) do headers[#headers + 1] = header end
  end
  return http.request { method = "POST", url = built.url, headers = headers, body = built.body, connect_timeout = CONNECT,
    idle_timeout = IDLE, timeout = request.timeout, max_bytes = MAX_REPLY }
end

-- Reads a body to its end, or as much as is wanted of it.
local function read_all(response, most)
  local pieces, size = {}, 0
  while size < most do
    local bytes, message, code = response:read()
    if not bytes then return table.concat(pieces), message, code end
    pieces[#pieces + 1], size = bytes, size + #bytes
  end
  return table.concat(pieces)
end

-- ---- the three shapes of a body ---------------------------------------------------------------------------

-- Was this event sent twice?  Only where ids tell events apart: some servers give one to all.
local function repeats()
  local last_id, last_data, ids = nil, nil, 0
  return function(id, data)
    if not id then return false end
    if id == last_id and data == last_data and ids > 1 then return true end
    if id ~= last_id then ids = ids + 1 end
    last_id, last_data = id, data
    return false
  end
end

-- Events, as they come.  What follows the last one is not waited for.
local function read_stream(response, reader, first)
  local repeated = repeats()
  local events
  events = sse.reader(function(name, data, id)
    if repeated(id, data) then return end
    if not reader:event(name, data) then events:stop() end
  end)
  local bytes, message, code = first, nil, nil
  while bytes do
    local ok
    ok, message, code = events:feed(bytes)
    if not ok then return nil, message, code end
    if reader.over then return true end
    bytes, message, code = response:read()
  end
  if message then return nil, message, code end
  events:finish()
  return true
end

local function read_document(response, reader, first, where)
  local rest, message, code = read_all(response, MAX_REPLY)
  if message then return nil, message, code end
  local body = first .. rest
  local v, mended = json.mend(body)
  if type(v) == "table" then
    if mended > 0 then reader.cleaned = true end
    reader:document(v)
  elseif body:find("^%s*<") then
    reader.strange = failure.of_status(where, 404, {}, body)
    reader.strange.status = 200
  else
    reader.garbled = body
  end
  return true
end

-- A server may answer with the other shape than it was asked for; its first bytes tell.
local function first_bytes(response)
  local s = ""
  while not s:find("[^%s\xef\xbb\xbf]") and #s < MAX_SPACE do
    local bytes, message, code = response:read()
    if not bytes then return s, message, code, true end
    s = s .. bytes
  end
  return s
end

local function read_reply(response, reader, where)
  local first, message, code, over = first_bytes(response)
  if message then return nil, message, code end
  if over then return true end
  local start = first:match("[^%s\xef\xbb\xbf]")
  if start == "{" or start == "<" or start == "[" then return read_document(response, reader, first, where) end
  return read_stream(response, reader, first)
end

-- ---- one request -------------------------------------------------------------------------------------------

-- A refusal that came as an error is a reply all the same.
local function refusal(model, found)
  local nothing = { input = 0, cache_read = 0, cache_write = 0, output = 0, thinking = 0, estimated = true }
  return { text = "", thinking = "", stop_reason = "refusal", refusal = found.refusal, model = model.name, gate = found.gate,
    usage = found.partial and found.partial.usage or nothing }
end

local function refused_status(model, response, built, provider)
  local body = read_all(response, MAX_ERROR)
  local found = failure.of_status(model.host, response.status, response.headers, body)
  if found.refusal then return refusal(model, found) end
  found.parameter = provider.parameter(found, built.sent)
  found.said, found.too_long = nil, nil
  return nil, found
end

-- A connection that failed in the middle of a reply: the reply counts if it was complete.
local function broken(reader, where, message, code)
  if reader.over or reader.ended then return reader:result() end
  local found = failure.of_transport(where, message, code)
  found.partial = reader:partial()
  return nil, found
end

-- Some servers (llama-cpp-python for one) open a stream before they look at the request, and
-- what is wrong with it is never said: asked without streaming they answer with their error.
local function is_mute(reader, model, request)
  return not (model.own or reader.seen or reader.error or reader.garbled or reader.ended) and compose.streams(request)
end

local function finish(reader, model, request)
  if reader.strange then return nil, reader.strange end
  local result, found = reader:result()
  if result then return result end
  if reader.reply.started then found.partial = reader:partial() end
  if is_mute(reader, model, request) then found.parameter = "stream" end
  return nil, found
end

-- Samples of one prompt, and retries, share what they send: a prompt is long.
local function build(model, request, provider)
  local memo = request.memo
  if not memo then return provider.request(model, request) end
  local parts = { model.spec, tostring(request.max_tokens), tostring(request.seed), tostring(request.stream) }
  for name in pairs(request.without or {}) do parts[#parts + 1] = name end
  local name = table.concat(parts, "\0")
  memo[name] = memo[name] or provider.request(model, request)
  return memo[name]
end

local function exchange(model, request, hooks, key, provider)
  local built = build(model, request, provider)
  built.auth = provider.auth
  local response <close>, message, code = open(model, built, key, request)
  if not response then return nil, failure.of_transport(model.host, message, code) end
  if response.status < 200 or response.status > 299 then
    return refused_status(model, response, built, provider)
  end
  local reader = provider.reader { model = model, request = request, hooks = hooks, limit = built.limit,
    headers = response.headers }
  hooks.reader = reader                                -- a cancelled call asks it what had arrived
  local ok
  ok, message, code = read_reply(response, reader, model.host)
  local result, found
  if ok then result, found = finish(reader, model, request)
  else result, found = broken(reader, model.host, message, code) end
  local gate = limits.gate(response.headers)
  if result then result.gate = gate else found.gate, found.said, found.too_long = found.gate or gate, nil, nil end
  if found and found.refusal then return refusal(model, found) end
  return result, found
end

local function refuse(code, message) return nil, { code = code, message = message } end

---One HTTP request to a model.
---@param model table  of llm/spec.lua
---@param request table  prompt or messages, system, max_tokens, temperature, top_p, stop, thinking, seed, json, timeout,
---  stream; `without`: names of what this model refused, each true (see failure.parameter); `memo`: a table that
---  requests of one prompt share, so that its body is written once
---@param hooks? {started: function?, text: fun(delta: string)?}  gets `reader` while the reply arrives
---@return table|nil result
---@return table? failure
function M.attempt(model, request, hooks)
  compose.check(request)
  local provider = require(PROVIDERS[model.provider])
  local row = models.of(model)
  if row.responses then
    return refuse("responses_only", model.name .. " exists only in the Responses API, and erlua speaks chat completions: "
      .. "choose another model")
  end
  local key, why = keys.of(model)
  if why then return refuse("no_key", why) end
  local result, found = exchange(model, request, hooks or {}, key, provider)
  if found then found.message = keys.scrub(found.message, key) end
  if result then
    result.text, result.thinking = keys.scrub_reply(result.text, key), keys.scrub_reply(result.thinking, key)
  end
  if result and result.refusal then result.refusal = keys.scrub(result.refusal, key) end
  return result, found
end

return M
