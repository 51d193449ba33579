-- Errors of providers, of connections and of keys come down to one vocabulary, with what
-- was said, what the headers say, and no key in it.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local fake = dofile(t.source .. "/tests/lib/fake.lua")
local talk = dofile(t.source .. "/tests/lib/talk.lua")(t)
local json = require("erlua.json")
local anthropic = require("erlua.llm.anthropic")
local failures = require("erlua.llm.failure")
local limits = require("erlua.llm.limits")
local openai = require("erlua.llm.openai")
local spec = require("erlua.llm.spec")
local wire = require("erlua.llm.wire")

local ask, replying, sending, chunk, delta = talk.ask, talk.replying, talk.sending, talk.chunk, talk.delta

local ERRORS = {
  -- provider, status, body, code, in the message
  { "openai", 400, { error = { message = "Bad thing", type = "invalid_request_error" } }, "bad_request",
    "answered 400: Bad thing" },
  { "openai", 400, { error = "a string" }, "bad_request", "a string" },
  { "openai", 400, { object = "error", message = "vLLM's older way", code = 400 }, "bad_request", "older way" },
  { "openai", 422, { detail = { { loc = { "body", "messages" }, msg = "field required" } } }, "bad_request",
    "body.messages: field required" },
  { "openai", 400, { detail = "FastAPI's text" }, "bad_request", "FastAPI's text" },
  { "openai", 500, { error = { code = 500, message = "llama.cpp", type = "server_error" } }, "server", "llama.cpp" },
  { "openai", 404, { error = "model 'x' not found, try pulling it first" }, "not_found", "try pulling" },
  { "openai", 404, { error = { message = "The model `x` does not exist", code = "model_not_found" } }, "not_found",
    "does not exist" },
  { "openai", 404, "404 page not found", "url", "is the URL right" },
  { "openai", 404, { detail = "Not Found" }, "url", "is the URL right" },
  { "openai", 404, { error = { message = "Invalid URL (POST /v1/v1/chat/completions)",
    type = "invalid_request_error" } }, "url", "is the URL right" },
  { "openai", 404, { error = {
    message = "This is not a chat model and thus not supported in the v1/chat/completions endpoint." } },
    "responses_only", "choose another model" },
  { "openai", 404, { error = { message = "This model is only supported in v1/responses and not in v1/chat/completions." } },
    "responses_only", "choose another" },
  { "openai", 401, { error = { message = "Incorrect API key provided: sk-abc***xyz. You can find",
    code = "invalid_api_key" } }, "auth", "sk%-…" },
  { "openai", 402, { error = { message = "Insufficient Balance" } }, "billing", "Insufficient Balance" },
  { "openai", 402, { error = { message = "Insufficient credits", code = 402 } }, "billing", "credits" },
  { "openai", 429, { error = { message = "You exceeded your current quota, please check your plan",
    code = "insufficient_quota" } }, "quota", "your plan" },
  { "openai", 429, { error = { message = "Rate limit reached for gpt in organization org on tokens per min (TPM)",
    code = "rate_limit_exceeded" } }, "rate_limit", "Rate limit" },
  { "openai", 429, { error = {
    message = "Quota exceeded: you exceeded your current quota of 10 requests per minute, try again in 3s" } },
    "rate_limit", "per minute" },
  { "openai", 503, "<html><head><title>503 Service Unavailable</title></head><body>x</body></html>", "overloaded",
    "HTML page: 503 Service" },
  { "openai", 502, { error = { message = "Provider returned error", code = 502,
    metadata = { raw = "upstream died" } } }, "server", "upstream died" },
  { "openai", 413, "", "too_large", "answered 413$" },
  { "openai", 400, { error = { message = "This model's maximum context length is 2048 tokens. However, you requested "
    .. "3000 tokens (2990 in the messages, 10 in the completion).", code = "context_length_exceeded" } }, "context", "2048" },
  { "openai", 400, { error = { message = "the request exceeds the available context size",
    type = "exceed_context_size_error", n_ctx = 512 } }, "context", "available" },
  { "openai", 403, "error code: 1020", "permission", "1020" },
  { "openai", 403, "your input was \xff flagged: it requires moderation", "permission", "requires moderation" },
  { "openai", 418, '{"error":{"message":"\27[31mred\0\xff' .. ("x"):rep(5000) .. '"}}', "bad_request", "red" },
  { "anthropic", 400, { type = "error", error = { type = "invalid_request_error",
    message = "max_tokens: Field required" } }, "bad_request", "Field required" },
  { "anthropic", 400, { type = "error", error = { type = "invalid_request_error",
    message = "prompt is too long: 210000 tokens > 200000 maximum" } }, "context", "too long" },
  { "anthropic", 400, { type = "error", error = { type = "invalid_request_error",
    message = "Your credit balance is too low to access the Anthropic API." } }, "billing", "credit" },
  { "anthropic", 401, { type = "error", error = { type = "authentication_error", message = "invalid x-api-key" } },
    "auth", "invalid" },
  { "anthropic", 402, { type = "error", error = { type = "billing_error", message = "limit",
    details = { error_code = "linked_organization_spend_limit_reached" } } }, "billing", "limit" },
  { "anthropic", 403, { type = "error", error = { type = "permission_error", message = "not allowed" } }, "permission",
    "not allowed" },
  { "anthropic", 404, { type = "error", error = { type = "not_found_error", message = "model: claude-x" } },
    "not_found", "claude%-x" },
  { "anthropic", 413, { type = "error", error = { type = "request_too_large", message = "too big" } }, "too_large",
    "too big" },
  { "anthropic", 429, { type = "error", error = { type = "rate_limit_error", message = "slow down" } }, "rate_limit",
    "slow" },
  { "anthropic", 429, { type = "error", error = { type = "rate_limit_error", message = "x",
    details = { error_code = "enforced_spend_limit_reached" } } }, "quota", "x" },
  { "anthropic", 429, { type = "error", error = { type = "rate_limit_error", message = "x",
    details = { error_code = "ramp_limit_exceeded" } } }, "rate_limit", "x" },
  { "anthropic", 500, { type = "error", error = { type = "api_error", message = "oops" } }, "server", "oops" },
  { "anthropic", 529, { type = "error", error = { type = "overloaded_error", message = "Overloaded" } }, "overloaded",
    "Overloaded" },
}

t.test("errors of all shapes come down to one vocabulary, with what the provider said", function()
  for i, case in ipairs(ERRORS) do
    local body = type(case[3]) == "string" and case[3] or json.encode(case[3])
    local f = failures.of_status("host", case[2], {}, body)
    t.eq({ f.code, f.status }, { case[4], case[2] }, "case " .. i .. ": " .. body:sub(1, 200))
    t.match(f.message, case[5])
    t.ok(#f.message < 1000 and utf8.len(f.message) and not f.message:find("%c"), "case " .. i .. " is one clean line")
    t.ok(f.refusal == nil or utf8.len(f.refusal), "case " .. i)
  end
end)

t.test("an error body of any bytes gives a failure and no error", function()
  local bodies = { "", "{", "null", "[]", "[1]", "5", '"x"', '{"error":null}', '{"error":[]}', '{"error":{}}',
    '{"error":{"message":{"a":1}}}', '{"detail":[1,2]}',
    '{"detail":{"message":"m"}}', '{"errors":[{"message":"m"}]}', '{"message":5}', "\0\0", ("\xff"):rep(1000),
      ("["):rep(5000), "<html>", "<" .. ("x"):rep(100000) }
  for _, body in ipairs(bodies) do
    for _, status in ipairs { 302, 400, 404, 418, 429, 500, 599 } do
      local f = failures.of_status("h", status, {}, body)
      t.ok(type(f.code) == "string" and type(f.message) == "string" and #f.message < 2100, body:sub(1, 20))
      failures.of_event("h", {}, body)
      failures.parameter(f, { temperature = "temperature", stop = "stop" })
    end
  end
end)

t.test("the error of a server reaches the caller with its headers", function()
  for _, provider in ipairs { "openai", "anthropic" } do
    local r, f = ask(provider, replying(provider, { status = 429,
      error = { message = "slow down", type = "rate_limit_error" },
      headers = { ["Retry-After"] = "7", ["x-should-retry"] = "true", ["x-ratelimit-remaining-requests"] = "0",
        ["x-ratelimit-reset-requests"] = "3s" } }))
    t.eq({ r, f.code, f.status, f.retry_after, f.should_retry }, { nil, "rate_limit", 429, 7, true })
    t.eq(f.gate, { requests_left = 0, reset = 3 })
    t.match(f.message, "127%.0%.0%.1 answered 429: slow down")
  end
end)

t.test("an error inside a stream of status 200 counts as its own status", function()
  local function event(provider, e)
    if provider == "openai" then return "data: " .. json.encode { error = e } .. "\n\n" end
    return "event: error\ndata: " .. json.encode { type = "error", error = e } .. "\n\n"
  end
  for _, case in ipairs {
    { { type = "overloaded_error", message = "busy" }, "overloaded", 529 },
      { { type = "rate_limit_error", message = "x" }, "rate_limit", 429 },
    { { type = "api_error", message = "x" }, "server", 500 }, { { type = "invalid_request_error", message = "x" },
      "bad_request", 400 },
    { { message = "x" }, "server", 500 }, { { code = 502, message = "x" }, "server", 502 },
      { { code = "insufficient_quota", message = "x" }, "quota", 429 },
    { { type = "server_error", message = "x" }, "server", 500 }, { { code = 7, message = "x" }, "server", 500 },
    { { type = "timeout_error", message = "x" }, "server", 504 }, { { type = "authentication_error", message = "x" },
      "auth", 401 },
  } do
    for _, provider in ipairs { "openai", "anthropic" } do
      local start = provider == "openai" and delta("some text") or ""
      local r, f = ask(provider, sending(start .. event(provider, case[1]) .. delta("more", "stop")))
      t.eq({ r, f.code, f.status }, { nil, case[2], case[3] }, provider .. " " .. json.encode(case[1]))
      if provider == "openai" then t.eq(f.partial.text, "some text") end
    end
  end
  t.eq(select(2, ask("openai", sending("error: {\"code\":503,\"message\":\"loading\"}\n\n"))).code, "overloaded")
  t.eq(select(2, ask("openai", sending("event: error\ndata: out of memory\n\n"))).code, "server")
  t.eq(select(2, ask("openai", sending("data: {\"error\":\"an Ollama text\"}\n\n"))).code, "server")
  t.eq(select(2, ask("openai", sending(chunk { choices = { { index = 0, delta = {}, finish_reason = "error",
    error = { code = 429, message = "x" } } } }))).code, "rate_limit")
  t.eq(select(2, ask("openai", sending(delta("x", "insufficient_system_resource") .. "data: [DONE]\n\n"))).code,
    "overloaded")
  t.eq(select(2, ask("openai", talk.body('{"error":{"message":"x","code":429}}'))).code, "rate_limit")
end)

t.test("a 400 that names an optional parameter that was sent says which", function()
  local function parameter(provider, e, request, body)
    request.prompt = request.prompt or "x"
    local m = assert(spec.parse(provider == "anthropic" and "anthropic:claude-opus-4-6" or "openai:m@http://h/v1"))
    if provider == "own" then m = assert(spec.parse("openai:gpt-6.1-terra")) end
    local side = provider == "anthropic" and anthropic or openai
    local q = side.request(m, request)
    local f = failures.of_status("h", 400, {}, json.encode(body or { error = e }))
    return side.parameter(f, q.sent)
  end
  local hot = { temperature = 0.5 }
  t.eq(parameter("own", { message = "Unsupported value: 'temperature' does not support 0.5 with this model.",
    param = "temperature" }, hot), "temperature")
  t.eq(parameter("openai", { message = "temperature is not supported" }, hot), "temperature")
  t.eq(parameter("openai", { message = "temperature is not supported" }, {}), nil)
  t.eq(parameter("anthropic", { type = "invalid_request_error",
    message = "temperature: Extra inputs are not permitted" }, hot), "temperature")
  t.eq(parameter("anthropic", { message = "`temperature` may only be set to 1 when thinking is enabled." },
    { temperature = 0.5, thinking = "high" }), "temperature")
  t.eq(parameter("anthropic", { message = "thinking.type: Input tag 'adaptive' found using 'type' does not match" },
    { thinking = "high" }), "thinking")
  t.eq(parameter("anthropic", { message = "This model does not support the effort parameter." }, { thinking = "high" }),
    nil)
  t.eq(parameter("anthropic", { message = "output_config.effort: Extra inputs are not permitted" },
    { thinking = "high" }), "thinking")
  t.eq(parameter("anthropic", { message = "output_config.format: not supported" }, { json = { type = "object" } }),
    "json")
  t.eq(parameter("openai", { message = "Unrecognized request argument supplied: reasoning_effort" },
    { thinking = "low" }), "thinking")
  t.eq(parameter("openai", nil, { seed = 1 },
    { detail = { { loc = { "body", "seed" }, msg = "extra fields not permitted" } } }), "seed")
  t.eq(parameter("openai", { message = "`stop` is not supported" }, { stop = "x" }), "stop")
  t.eq(parameter("openai", { message = "please stop sending such requests" }, { stop = "x" }), nil)
  t.eq(parameter("openai", { message = "Unknown parameter: 'stream_options'." }, {}), "stream_options")
  t.eq(parameter("own", { message = "Unknown parameter: 'stream_options.include_obfuscation'.",
    param = "stream_options.include_obfuscation" }, {}), "obfuscation")
  t.eq(parameter("own", { message = "Unknown parameter", param = "messages.0.content.0.prompt_cache_breakpoint" },
    { prompt = { { text = "a", cache = true }, "b" } }), "cache")
  t.eq(parameter("anthropic", { message = "messages.0.content.0.text.cache_control: Extra inputs" },
    { prompt = { { text = "a", cache = true }, "b" } }), "cache")
  local function said(message, request) return parameter("openai", { message = message }, request or {}) end
  t.eq(said("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."),
    "max_tokens_name")
  t.eq(said("'max_tokens' or 'max_completion_tokens' is too large: 16000. This model's maximum context length is 8192 tokens "
    .. "and your request has 20 input tokens"), "max_tokens")
  local long = "This model's maximum context length is 8192 tokens. However, you requested %d tokens (%d in the messages, "
    .. "16000 in the completion)."
  t.eq(said(long:format(16020, 20)), "max_tokens")
  t.eq(said(long:format(26020, 10020)), nil)
  t.eq(said("'messages' must contain the word 'json' to use 'response_format' of type 'json_object'.", { json = true }), "json")
  t.eq(parameter("openai", { message = "messages: at least one message is required" }, hot), nil)
end)

t.test("transport failures have codes of their own", function()
  local function code(url, with)
    local request = { prompt = "x" }
    for k, v in pairs(with or {}) do request[k] = v end
    local r, f = wire.attempt(assert(spec.parse("openai:m@" .. url)), request)
    t.eq(r, nil)
    return f.code
  end
  t.eq(code("http://127.0.0.1:1/v1"), "connect")
  t.eq(code("http://host.invalid/v1"), "dns")
  local server = fake.start(t, "return function(req, res) res:hang() end")
  t.eq(code(server.url, { timeout = 0.1 }), "timeout")
  server = fake.start(t, "return function(req, res) res:cut() end")
  t.eq(code(server.url), "cut")
  server = fake.start(t, "return function(req, res) res:raw('hello, this is not HTTP at all\\r\\n\\r\\n') end")
  t.eq(code(server.url), "garbled")
  server = fake.start(t, "return function(req, res) res:reply(302, { Location = 'http://127.0.0.1:1/elsewhere' }, '') end")
  t.eq(code(server.url), "url")
end)

-- ---- what headers say ----------------------------------------------------------------------------------

t.test("Retry-After is read in all its forms", function()
  local date = "Mon, 23 Nov 2026 12:00:00 GMT"
  for _, case in ipairs {
    { { ["retry-after"] = "30" }, 30 }, { { ["retry-after"] = "1.5" }, 1.5 },
      { { ["retry-after-ms"] = "250", ["retry-after"] = "30" }, 0.25 },
    { { date = date, ["retry-after"] = "Mon, 23 Nov 2026 12:00:40 GMT" }, 40 },
      { { date = date, ["retry-after"] = "Mon, 23 Nov 2026 11:00:00 GMT" }, 0 },
    { { ["retry-after"] = "soon" }, nil }, { { ["retry-after"] = "" }, nil }, { { ["retry-after"] = "-5" }, nil },
      { { ["retry-after"] = "nan" }, nil },
    { { ["retry-after-ms"] = "x", ["retry-after"] = "2" }, 2 }, { {}, nil },
  } do t.eq(limits.retry_after(case[1]), case[2], json.encode(json.object(case[1]))) end
  t.eq({ limits.should_retry { ["x-should-retry"] = "true" }, limits.should_retry { ["x-should-retry"] = "false" } },
    { true, false })
  t.eq(limits.should_retry {}, nil)
end)

t.test("what is left of an allowance is read from the headers of both providers", function()
  local date = "Mon, 23 Nov 2026 12:00:00 GMT"
  t.eq(limits.gate { date = date, ["anthropic-ratelimit-requests-remaining"] = "3",
    ["anthropic-ratelimit-requests-reset"] = "2026-11-23T12:00:05Z",
    ["anthropic-ratelimit-tokens-remaining"] = "900", ["anthropic-ratelimit-tokens-reset"] = "2026-11-23T12:00:09Z",
    ["anthropic-ratelimit-output-tokens-remaining"] = "100",
      ["anthropic-ratelimit-output-tokens-reset"] = "2026-11-23T14:00:30+02:00" },
    { requests_left = 3, tokens_left = 100, reset = 30 })
  t.eq(limits.gate { ["x-ratelimit-remaining-requests"] = "0", ["x-ratelimit-reset-requests"] = "1m2.5s",
    ["x-ratelimit-remaining-tokens"] = "10",
    ["x-ratelimit-reset-tokens"] = "6m0s" }, { requests_left = 0, tokens_left = 10, reset = 62.5 })
  t.eq(limits.gate { ["x-ratelimit-remaining"] = "0", ["x-ratelimit-reset"] = "12ms" },
    { requests_left = 0, reset = 0.012 })
  t.eq(limits.gate { date = date, ["x-ratelimit-remaining"] = "0", ["x-ratelimit-reset"] = "1795435210000" },
    { requests_left = 0, reset = 10 })
  for _, headers in ipairs { {}, { ["x-ratelimit-remaining-requests"] = "many" },
    { ["x-ratelimit-reset-requests"] = "1s" } } do t.eq(limits.gate(headers), nil) end
end)

-- ---- keys ------------------------------------------------------------------------------------------------

local function run_with_keys(url_fragment, environ)
  local server = fake.start(t, [[
    return function(req, res)
      local key = req.headers.authorization or req.headers["x-api-key"] or "none"
      res:reply(401, {}, json.encode { error = { message = "wrong key: " .. key .. " / " .. key:gsub("Bearer ", "") } })
    end]])
  local dir = t.tmpdir()
  t.write(dir .. "/ask.lua", string.format([[
    local m = assert(require("erlua.llm.spec").parse("%s"))
    local r, f = require("erlua.llm.wire").attempt(m, { prompt = "hi" })
    print(r, f.code, f.message)]], url_fragment:format(server.url)))
  return t.run({ t.erlua, dir .. "/ask.lua" }, { env = environ }), server
end

t.test("another host gets no key unless one is named, and no error shows it", function()
  local secret = "sk-very-secret-0123456789"
  for _, s in ipairs { "openai:m@%s/v1", "anthropic:m@%s" } do
    local r, server = run_with_keys(s, { OPENAI_API_KEY = secret, ANTHROPIC_API_KEY = secret })
    t.match(r.out, "nil\tauth")
    local headers = server.requests()[1].headers
    t.eq({ headers.authorization, headers["x-api-key"] }, {}, s)
    r, server = run_with_keys(s .. "#key_env=MY_KEY", { MY_KEY = " " .. secret .. "\n" })
    t.eq(server.requests()[1].headers.authorization, "Bearer " .. secret)
    t.match(r.out, "wrong key")
    t.no_match(r.out .. r.err, "secret")
  end
end)

t.test("a key that is not set, or cannot be one, is said before anything is sent", function()
  local r, server = run_with_keys("openai:m@%s/v1#key_env=MY_KEY", { MY_KEY = false })
  t.match(r.out, "no_key\tMY_KEY is not set")
  r, server = run_with_keys("openai:m@%s/v1#key_env=MY_KEY", { MY_KEY = "a\nb: c" })
  t.match(r.out, "no_key\tMY_KEY holds")
  t.no_match(r.out, "b: c")
  t.eq(#server.requests(), 0)
  for s, name in pairs { ["anthropic:claude-x"] = "ANTHROPIC_API_KEY", ["openai:gpt-x"] = "OPENAI_API_KEY" } do
    r = run_with_keys(s .. "%.0s", { [name] = "" })
    t.match(r.out, "no_key\t" .. name .. " is not set")
  end
end)

return t
