-- Replies with anything in them: a result or a failure comes out, never an error.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local json = require("erlua.json")
local spec = require("erlua.llm.spec")
local sse = require("erlua.sse")

local PROVIDERS = { openai = require("erlua.llm.openai"), anthropic = require("erlua.llm.anthropic") }

local CODES = {}
for word in ("connect dns tls timeout idle cut garbled rate_limit overloaded server auth permission not_found "
  .. "bad_request too_large context "
  .. "quota billing url no_key responses_only"):gmatch("%S+") do CODES[word] = true end
local REASONS = { ["end"] = true, stop = true, max_tokens = true, context = true, refusal = true }

local function check_outcome(result, failure, note)
  if failure then return t.ok(CODES[failure.code] and type(failure.message) == "string" and utf8.len(failure.message),
    note) end
  t.ok(REASONS[result.stop_reason] and utf8.len(result.text) and utf8.len(result.thinking), note)
  t.ok((result.stop_reason == "refusal") == (type(result.refusal) == "string"), note)
  t.ok(type(result.model) == "string" and (result.id == nil or type(result.id) == "string"), note)
  for _, kind in ipairs { "input", "cache_read", "cache_write", "output", "thinking" } do
    t.ok(math.type(result.usage[kind]) == "integer" and result.usage[kind] >= 0, note)
  end
  json.encode(result)
end

local function reader_of(provider)
  local model = assert(spec.parse(provider .. ":m@http://h"))
  return PROVIDERS[provider].reader { model = model, request = { prompt = "x", stop = "y" },
    hooks = { text = function() end }, limit = 100, headers = {} }
end

local VALUES = { 0, -1, 1.5, 1e308, "", "x", "\0", true, false, json.null, {}, { 1 }, { x = 1 }, { { { {} } } } }

-- A copy of a value in which some part, now and then, is something else.
local function spoil(v, random)
  if random(12) == 1 then return VALUES[random(#VALUES)] end
  if type(v) ~= "table" then return v end
  local out = {}
  for k, x in pairs(v) do out[k] = spoil(x, random) end
  return next(out) and out or json.object(out)
end

local WHOLE = {
  openai = { id = "c", model = "m",
    choices = { { index = 0, message = { role = "assistant", content = "hello", reasoning_content = "hm",
    refusal = json.null,
    tool_calls = { { id = "1" } } }, finish_reason = "stop", stop_reason = "y",
      content_filter_results = { hate = { filtered = true } } } },
    usage = { prompt_tokens = 9, completion_tokens = 5, total_tokens = 14,
      prompt_tokens_details = { cached_tokens = 2 }, completion_tokens_details = { reasoning_tokens = 1 } } },
  anthropic = { id = "m", type = "message", model = "m", content = { { type = "thinking", thinking = "hm" },
    { type = "text", text = "hello" } }, stop_reason = "refusal",
    stop_details = { type = "refusal", explanation = "no", category = "bio" },
      usage = { input_tokens = 9, output_tokens = 5, output_tokens_details = { thinking_tokens = 2 } } },
}

t.test("a whole reply with wrong values in any place gives a result or a failure, never an error", function()
  local random = math.random
  for provider, whole in pairs(WHOLE) do
    for _ = 1, 1500 do
      local v = spoil(whole, random)
      if type(v) ~= "table" then v = { v } end
      local reader = reader_of(provider)
      reader:document(v)
      local result, failure = reader:result()
      check_outcome(result, failure, json.encode(v))
      reader:partial()
    end
  end
end)

-- The same reply as a provider's stream, from the server's side of the tests.
local function stream_of(provider)
  local side = setmetatable({ json = json }, { __index = _G })
  local function load_module(name) return loadfile(t.source .. "/tests/fake/" .. name .. ".lua", "t", side)(name) end
  side.require = load_module
  return table.concat(load_module(provider).events({ text = "hello <b> wörld", thinking = "hm", pieces = 4 },
    { stream_options = { include_usage = true } }))
end

t.test("a stream with wrong bytes in any place, cut anywhere, gives a result or a failure, never an error", function()
  for _, provider in ipairs { "openai", "anthropic" } do
    local good = stream_of(provider)
    for i = 1, 1200 do
      local bytes = good
      for _ = 1, math.random(0, 4) do
        local at, n = math.random(#bytes), math.random(0, 3)
        bytes = bytes:sub(1, at - 1) .. string.char(math.random(0, 255)):rep(math.random(0, 2)) .. bytes:sub(at + n)
      end
      if math.random(3) == 1 then bytes = bytes:sub(1, math.random(#bytes)) end
      local reader = reader_of(provider)
      local events = sse.reader(function(name, data) reader:event(name, data) end)
      local at = 1
      while at <= #bytes do
        local n = math.random(1, 200)
        events:feed(bytes:sub(at, at + n - 1))
        at = at + n
      end
      events:finish()
      local result, failure = reader:result()
      check_outcome(result, failure, bytes)
      if i == 1 then reader:partial() end
    end
  end
end)

return t
