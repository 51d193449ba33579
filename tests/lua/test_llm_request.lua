-- What is sent to a provider: pure, from a model and a request to a body and its headers.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local anthropic = require("erlua.llm.anthropic")
local json = require("erlua.json")
local openai = require("erlua.llm.openai")
local spec = require("erlua.llm.spec")
local wire = require("erlua.llm.wire")

local PROVIDERS = { openai = openai, anthropic = anthropic }

local function built(model, request)
  local m = assert(spec.parse(model))
  local q = PROVIDERS[m.provider].request(m, request)
  return json.decode(q.body), q
end

t.test("OpenAI's own host gets the names that only it knows, others the common ones", function()
  local request = { prompt = "hi", max_tokens = 500, thinking = "high", stop = "END", seed = 7, temperature = 0.5 }
  local body, q = built("openai:gpt-6.1-terra", request)
  t.eq(body, { model = "gpt-6.1-terra", messages = { { role = "user", content = "hi" } }, max_completion_tokens = 500,
    reasoning_effort = "high",
    stop = { "END" }, seed = 7, temperature = 0.5, stream = true, stream_options = { include_usage = true,
      include_obfuscation = false } })
  t.eq(q.url, "https://api.openai.com/v1/chat/completions")
  body = built("openai:llama@http://h:8000/v1", request)
  t.eq(body, { model = "llama", messages = { { role = "user", content = "hi" } }, max_tokens = 500,
    reasoning_effort = "high", stop = { "END" },
    seed = 7, temperature = 0.5, stream = true, stream_options = { include_usage = true } })
end)

t.test("sampling parameters are sent only if they were asked for, and 16,000 tokens unless told", function()
  for _, model in ipairs { "openai:gpt-6.1-terra", "openai:m@http://h/v1", "anthropic:claude-opus-5-5",
    "anthropic:claude-haiku-4-5" } do
    local body = built(model, { prompt = "hi" })
    for _, name in ipairs { "temperature", "top_p", "seed", "stop", "thinking", "reasoning_effort", "output_config",
      "response_format", "n" } do
      t.eq(body[name], nil, model .. " " .. name)
    end
    t.eq(body.max_tokens or body.max_completion_tokens, 16000)
  end
  t.eq(built("anthropic:claude-3-5-haiku-20241022", { prompt = "hi" }).max_tokens, 8192)
end)

t.test("Anthropic's version of the API is the newest, and the one that knows sampling where that is asked for",
  function()
  local _, q = built("anthropic:claude-opus-5-5", { prompt = "hi" })
  t.eq(q.headers, { "anthropic-version: 2026-10-21" })
  local body
  body, q = built("anthropic:claude-opus-4-6", { prompt = "hi", temperature = 0.2 })
  t.eq({ body.temperature, q.headers[1] }, { 0.2, "anthropic-version: 2023-06-01" })
  body, q = built("anthropic:claude-opus-4-6", { prompt = "hi", temperature = 0.2, without = { temperature = true } })
  t.eq({ body.temperature, q.headers[1] }, { nil, "anthropic-version: 2026-10-21" })
end)

t.test("thinking becomes adaptive with an effort, a budget, or nothing, as the model takes it", function()
  local function thinking(model, v, max_tokens)
    local body = built("anthropic:" .. model, { prompt = "hi", thinking = v, max_tokens = max_tokens })
    return { body.thinking or false, body.output_config or false }
  end
  t.eq(thinking("claude-opus-5-5", "high"), { { type = "adaptive", display = "summarized" }, { effort = "high" } })
  t.eq(thinking("claude-opus-5-5", 20000), { { type = "adaptive", display = "summarized" }, { effort = "high" } })
  t.eq(thinking("claude-opus-5-5", true), { { type = "adaptive", display = "summarized" }, false })
  t.eq(thinking("claude-opus-4-6", "xhigh"), { { type = "adaptive", display = "summarized" }, { effort = "high" } })
  t.eq(thinking("claude-opus-5-5", false), { false, { effort = "low" } })
  t.eq(thinking("claude-sonnet-5-5", "off"), { { type = "between_tools" }, false })
  t.eq(thinking("claude-opus-5", 0), { { type = "disabled" }, false })
  t.eq(thinking("claude-haiku-4-5", 5000), { { type = "enabled", budget_tokens = 5000 }, false })
  t.eq(thinking("claude-haiku-4-5", 100), { { type = "enabled", budget_tokens = 1024 }, false })
  t.eq(thinking("claude-haiku-4-5", 20000, 8000), { { type = "enabled", budget_tokens = 8000 - 1024 }, false })
  t.eq(thinking("claude-haiku-4-5", 5000, 1200), { false, false })
  t.eq(thinking("claude-3-5-haiku-20241022", "high"), { false, false })
  local body = built("anthropic:claude-haiku-4-5", { prompt = "hi", thinking = 30000 })
  t.eq({ body.thinking.budget_tokens, body.max_tokens }, { 30000, 34096 })
  t.eq(built("openai:gpt-6.1-sol", { prompt = "hi", thinking = "max" }).reasoning_effort, "xhigh")
  t.eq(built("openai:gpt-6.1-terra", { prompt = "hi", thinking = false }).reasoning_effort, "none")
  t.eq(built("openai:gpt-4.1", { prompt = "hi", thinking = "high" }).reasoning_effort, nil)
end)

local PARTS = { { text = "the environment", cache = true }, "what to do" }

t.test("cache marks go where the provider has them, and parts become one text elsewhere", function()
  local mark = { type = "ephemeral" }
  t.eq(built("anthropic:claude-opus-5-5", { prompt = PARTS }).messages[1].content,
    { { type = "text", text = "the environment", cache_control = mark }, { type = "text", text = "what to do" } })
  local explicit = built("openai:gpt-6.1-terra", { prompt = PARTS }).messages[1].content
  t.eq(explicit[1].prompt_cache_breakpoint, { mode = "explicit" })
  local whole = explicit[1].text .. explicit[2].text
  for _, model in ipairs { "openai:gpt-4.1", "openai:m@http://h/v1" } do
    t.eq(built(model, { prompt = PARTS }).messages[1].content, "the environment\n\nwhat to do", model)
  end
  t.eq(whole, "the environment\n\nwhat to do")
  t.eq(built("openai:x/y@https://openrouter.ai/api/v1", { prompt = PARTS }).messages[1].content[1].cache_control, mark)
  t.eq(built("openai:gpt-6.1-terra", { prompt = PARTS, without = { cache = true } }).messages[1].content, whole)
  t.eq(built("anthropic:claude-opus-5-5", { prompt = PARTS,
    without = { cache = true } }).messages[1].content[1].cache_control, nil)
end)

t.test("of more than four cache marks the last four are sent", function()
  local parts = {}
  for i = 1, 6 do parts[i] = { text = "part " .. i, cache = true } end
  local body = built("anthropic:claude-opus-5-5", { system = { { text = "system", cache = true } }, prompt = parts })
  local marks = {}
  for i, part in ipairs(body.messages[1].content) do marks[i] = part.cache_control ~= nil end
  t.eq(marks, { false, false, true, true, true, true })
  t.eq(body.system, "system")
end)

t.test("the system prompt stands where each provider wants it", function()
  local request = { system = "be brief", messages = { { role = "system", content = "and kind" },
    { role = "user", content = "a" },
    { role = "assistant", content = "b" }, { role = "user", content = "" } } }
  local body = built("anthropic:claude-opus-5-5", request)
  t.eq({ body.system[1].text, body.system[2].text, #body.messages }, { "be brief", "and kind", 3 })
  body = built("openai:m@http://h/v1", request)
  t.eq(body.messages[1], { role = "system", content = "be brief\n\nand kind" })
  t.eq({ #body.messages, body.messages[4].content }, { 4, "" })
end)

t.test("a JSON reply is asked for by mode, by schema, and in words", function()
  local schema = { type = "object", properties = { a = { type = "integer" } } }
  local body = built("openai:gpt-6.1-terra", { prompt = "hi", json = true })
  t.eq(body.response_format, { type = "json_object" })
  t.match(body.messages[1].content, "one JSON value")
  t.eq(built("openai:m@http://h/v1", { prompt = "hi", json = schema }).response_format.json_schema.schema, schema)
  body = built("anthropic:claude-opus-5-5", { prompt = "hi", json = schema })
  t.eq(body.output_config.format, { type = "json_schema", schema = schema })
  body = built("anthropic:claude-opus-5-5", { prompt = "hi", json = true })
  t.eq({ body.output_config, body.system }, { nil,
    "Answer with one JSON value and nothing else: no words around it, no code fence." })
  body = built("openai:m@http://h/v1", { prompt = "hi", json = true, without = { json = true } })
  t.eq(body.response_format, nil)
  t.match(body.messages[1].content, "one JSON value")
end)

t.test("what a model refused is left out, and its limit goes by the other name", function()
  local request = { prompt = "hi", temperature = 1, thinking = "low", stop = "x",
    without = { temperature = true, thinking = true, stop = true,
    stream_options = true, max_tokens = true } }
  t.eq(built("openai:m@http://h/v1", request), { model = "m", messages = { { role = "user", content = "hi" } },
    stream = true })
  t.eq(built("anthropic:claude-opus-5-5", request), { model = "claude-opus-5-5", max_tokens = 4096, stream = true,
    messages = { { role = "user", content = "hi" } } })
  t.eq(built("openai:m@http://h/v1", { prompt = "hi", max_tokens = 9,
    without = { max_tokens_name = true } }).max_completion_tokens, 9)
end)

t.test("a prompt with bad UTF-8 and NUL bytes is sent all the same", function()
  local prompt = "log: \xff\xfe\0 \xc3"
  for _, model in ipairs { "openai:m@http://h/v1", "anthropic:claude-opus-5-5" } do
    t.eq(built(model, { prompt = prompt, system = prompt }).messages[model:find("openai") and 2 or 1].content,
      "log: \u{FFFD}\u{FFFD}\0 \u{FFFD}")
  end
end)

t.test("a request that no provider could make sense of is the caller's mistake", function()
  local m = assert(spec.parse("openai:m@http://127.0.0.1:1/v1"))
  for _, case in ipairs {
    { { prompt = "x", temperature = 3 }, "temperature" }, { { prompt = "x", temperature = "hot" }, "temperature" },
      { { prompt = "x", max_tokens = 0 }, "max_tokens" },
    { { prompt = "x", max_tokens = 1.5 }, "max_tokens" }, { { prompt = "x", thinking = "very" }, "thinking" },
      { { prompt = "x", thinking = -1 }, "thinking" },
    { { messages = { { role = "tool", content = "x" } } }, "role" }, { {}, "prompt or messages" },
      { { prompt = "x", seed = -1 }, "seed" },
  } do t.raises(function() wire.attempt(m, case[1]) end, case[2]) end
end)

t.test("a model that exists only in the Responses API is refused before anything is sent", function()
  local result, failure = wire.attempt(assert(spec.parse("openai:gpt-5.5-pro")), { prompt = "x" })
  t.eq({ result, failure.code }, { nil, "responses_only" })
  t.match(failure.message, "choose another model")
end)

return t
