-- Who a model is: specifications, keys, what is known of models, prices.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local models = require("erlua.llm.models")
local prices = require("erlua.llm.prices")
local spec = require("erlua.llm.spec")
local usage = require("erlua.llm.usage")

local function parse(s, options)
  local m, message = spec.parse(s, options)
  return t.ok(m, message)
end

t.test("the provider ends at the first colon, the URL starts at the last @http", function()
  for s, want in pairs {
    ["anthropic:claude-x"] = { "anthropic", "claude-x", "https://api.anthropic.com", "https://api.anthropic.com:443" },
    ["openai:gpt-6"] = { "openai", "gpt-6", "https://api.openai.com/v1", "https://api.openai.com:443" },
    ["openai:qwen2.5:7b@http://localhost:11434/v1"] = { "openai", "qwen2.5:7b", "http://localhost:11434/v1",
      "http://localhost:11434" },
    ["openai:a@b@http://h/v1"] = { "openai", "a@b", "http://h/v1", "http://h:80" },
    ["openai:a@https://x@http://h:1/v1"] = false,
    ["openai:org/m:free@https://openrouter.ai/api/v1"] = { "openai", "org/m:free", "https://openrouter.ai/api/v1",
      "https://openrouter.ai:443" },
    ["openai:m@http://[::1]:8000/v1"] = { "openai", "m", "http://[::1]:8000/v1", "http://[::1]:8000" },
    [" openai:m@HTTP://Host:8000 "] = { "openai", "m", "HTTP://Host:8000", "http://host:8000" },
  } do
    local m = spec.parse(s)
    t.eq(m and { m.provider, m.name, m.base, m.endpoint } or false, want, s)
  end
end)

t.test("a URL and a key's name may also be options; what the text says counts first", function()
  local m = parse("openai:m", { base_url = "http://h:1/v1", key_env = "K1" })
  t.eq({ m.base, m.key_env }, { "http://h:1/v1", "K1" })
  m = parse("openai:m@http://g:2/v1#key_env=K2", { base_url = "http://h:1/v1", key_env = "K1" })
  t.eq({ m.base, m.key_env, m.name }, { "http://g:2/v1", "K2", "m" })
  t.eq(parse("openai:m#key_env=K2").key_env, "K2")
end)

t.test("a provider's default key goes to that provider's own host over TLS, and to no other", function()
  t.eq(parse("anthropic:m").key_env, "ANTHROPIC_API_KEY")
  t.eq(parse("openai:m").key_env, "OPENAI_API_KEY")
  t.eq(parse("openai:m@https://eu.api.openai.com/v1").key_env, "OPENAI_API_KEY")
  for _, url in ipairs { "http://api.openai.com/v1", "https://api.openai.com.evil.org/v1",
    "https://evilapi.openai.com.x/v1", "https://notapi.openai.com/v1",
    "http://127.0.0.1:8000/v1", "https://api.anthropic.com", "https://xapi.openai.com/v1" } do
    t.eq(parse("openai:m@" .. url).key_env, nil, url)
  end
  t.eq(parse("openai:m@https://api.deepseek.com#key_env=DEEPSEEK_API_KEY").key_env, "DEEPSEEK_API_KEY")
end)

t.test("what is wrong with a specification is said, with the nearest name", function()
  for s, pattern in pairs {
    ["claude-x"] = "names no provider", [""] = "names no provider", ["antropic:x"] = "did you mean anthropic",
      ["openia:x"] = "did you mean openai",
    ["grok:x"] = "there is no provider 'grok'; use anthropic:MODEL", ["openai:"] = "names no model",
      ["openai:@http://h/v1"] = "names no model",
    ["builtin:evolve"] = "builtin:mutate", ["openai:m@http://u:secret@h/v1"] = "holds a user or a password",
      ["openai:m@http://h:99999/v1"] = "port", ["openai:m@http://h/v1?api-version=1&api-key=secret"] = "holds 'api%-key=…'",
      ["openai:m#key_env=sk-secret"] = "what is given is no such name",
    ["openai:m@http:///v1"] = "names no host", ["openai:m@ftp://h/v1"] = "starts with http",
      ["openai:m@http://h h/v1"] = "space",
    ["openai:m#key_env=A-B"] = "no such name", ["openai:m#key=x"] = "is not understood", ["openai:m\nx"] = "plain text",
  } do
    local m, message, code = spec.parse(s)
    t.eq({ m, code }, { nil, "spec" }, s)
    t.match(message, pattern)
    t.no_match(message, "secret")
    t.no_match(message, "\n")
  end
  local _, message = spec.parse("openai:m", { base_url = "localhost:8000" })
  t.match(message, "starts with http")
  t.eq(assert(spec.parse("openai:m@https://h/v1?api-version=2026-01-01")).host, "h")
  t.match(select(2, spec.parse(nil)), "not by a nil")
end)

t.test("the URL of a method is found from the server, its /v1, or the method itself", function()
  for base, want in pairs {
    ["http://h:8000"] = "http://h:8000/v1/chat/completions", ["http://h:8000/"] = "http://h:8000/v1/chat/completions",
    ["http://h/v1"] = "http://h/v1/chat/completions", ["http://h/v1/"] = "http://h/v1/chat/completions",
      ["https://o/api/v1"] = "https://o/api/v1/chat/completions",
    ["https://h/x/chat/completions"] = "https://h/x/chat/completions",
      ["https://h/openai?api-version=2"] = "https://h/openai/chat/completions?api-version=2",
  } do t.eq(spec.url(base, "chat/completions"), want, base) end
  for base, want in pairs {
    ["https://api.anthropic.com"] = "https://api.anthropic.com/v1/messages",
      ["https://api.deepseek.com/anthropic"] = "https://api.deepseek.com/anthropic/v1/messages",
    ["http://h/v1"] = "http://h/v1/messages", ["http://h/v1/messages"] = "http://h/v1/messages",
  } do t.eq(spec.url(base, "messages"), want, base) end
end)

t.test("thinking is asked for as each model takes it", function()
  local levels = models.of(parse("openai:gpt-6.1-sol")).levels
  t.eq(models.effort(levels, "max"), "xhigh")
  t.eq(models.effort(levels, "minimal"), "low")
  t.eq({ models.effort(levels, 1024), models.effort(levels, 8000), models.effort(levels, 20000),
    models.effort(levels, 1000000) },
    { "low", "medium", "high", "xhigh" })
  t.eq(models.effort({ "low", "medium", "high", "max" }, "xhigh"), "high")
  t.eq(models.budget(10, 16000), 1024)
  t.eq(models.budget(100000, 16000), 16000 - 1024)
  t.eq(models.budget("high", 16000), 8000)
  t.eq(models.budget("low", 2048), 1024)
  t.eq(models.budget("low", 1500), nil)
  for max_tokens = 1, 5000, 13 do
    for _, v in ipairs { 1, 4000, "low", "max", true } do
      local n = models.budget(v, max_tokens)
      if n then t.ok(n >= 1024 and n < max_tokens, "a budget of " .. n .. " below " .. max_tokens) end
    end
  end
end)

t.test("every model has a row, the newest ones too", function()
  for name, off in pairs { ["claude-opus-5-5"] = "low", ["claude-fable-9"] = "low",
    ["claude-sonnet-5-5"] = "between_tools", ["claude-haiku-5-5"] = "disabled",
    ["claude-opus-4-6"] = "disabled", ["claude-nothing-known"] = "low" } do
    local row = models.of(parse("anthropic:" .. name))
    t.eq({ row.think, row.off }, { "adaptive", off }, name)
  end
  t.eq(models.of(parse("anthropic:claude-haiku-4-5-20251001")).think, "budget")
  t.eq(models.of(parse("anthropic:some-proxy-model")).think, "budget")
  for _, name in ipairs { "gpt-5.5-pro", "o3-pro", "gpt-5-codex", "o3-deep-research", "gpt-5.1-codex-max" } do
    t.ok(models.of(parse("openai:" .. name)).responses, name)
    t.ok(not models.of(parse("openai:" .. name .. "@http://h/v1")).responses, name .. " elsewhere")
  end
  for _, name in ipairs { "gpt-6.2-astra", "gpt-9", "o5", "gpt-4.1",
    "whatever" } do t.ok(not models.of(parse("openai:" .. name)).responses, name) end
end)

-- ---- prices ------------------------------------------------------------------------------------

local MILLION = { input = 1000000, cache_read = 0, cache_write = 0, output = 0, thinking = 0 }

t.test("a cost has its four kinds, and an unknown model's is unknown", function()
  local m = parse("anthropic:claude-opus-5-5")
  t.near(prices.cost(m, { input = 1e6, cache_read = 1e6, cache_write = 1e6, output = 1e6 }), 4 + 0.2 + 5 + 20)
  t.eq(prices.cost(m, { input = 0, cache_read = 0, cache_write = 0, output = 0 }), 0.0)
  for _, s in ipairs { "anthropic:claude-opus-9", "openai:gpt-6.1-sol@http://localhost:8000/v1", "openai:llama",
    "anthropic:claude-opus-5-5@http://h" } do
    t.eq(prices.cost(parse(s), MILLION), nil, s)
  end
end)

t.test("a long prompt has its own price where the provider says so", function()
  local m = parse("anthropic:claude-haiku-5-5")
  t.near(prices.cost(m, { input = 100000, cache_read = 0, cache_write = 0, output = 0 }), 0.01)
  t.near(prices.cost(m, { input = 1, cache_read = 100000, cache_write = 0, output = 0 }), (0.5 + 100000 * 0.05) / 1e6)
end)

local function cost_with(table_text, model, environ)
  local dir = t.tmpdir()
  if table_text then t.write(dir .. "/prices.lua", table_text) end
  t.write(dir .. "/cost.lua", "local s, p = require 'erlua.llm.spec', require 'erlua.llm.prices'\n"
    .. "print(p.cost(assert(s.parse(" .. string.format("%q", model)
      .. ")), {input=1e6, cache_read=1e6, cache_write=0, output=1e6}))")
  local environment = { ERLUA_PRICES = dir .. "/prices.lua", HOME = dir }
  for k, v in pairs(environ or {}) do environment[k] = v end
  return t.run({ t.erlua, dir .. "/cost.lua" }, { env = environment }), dir
end

t.test("a user's table comes first, and special names before general ones", function()
  local mine = 'return { ["openai:*@localhost*"] = { input = 0, output = 0 },\n'
    .. '["openai:big@localhost:8000"] = { input = 3, cache_read = 1, output = 5 },\n'
    .. '["anthropic:claude-opus-5-5"] = { input = 1, output = 2 } }'
  t.eq(cost_with(mine, "openai:small@http://localhost:8000/v1").out, "0.0\n")
  t.eq(cost_with(mine, "openai:big@http://localhost:8000/v1").out, "9.0\n")
  t.eq(cost_with(mine, "anthropic:claude-opus-5-5").out, "4.0\n")
  t.eq(cost_with(mine, "openai:gpt-5.4-mini").out, "5.325\n")
end)

t.test("the table of the home folder is found without a variable", function()
  local dir = t.tmpdir()
  t.write(dir .. "/.config/erlua/prices.lua", 'return { ["openai:m@h:80"] = { input = 7, output = 0 } }')
  local got = cost_with(nil, "openai:m@http://h/v1", { ERLUA_PRICES = false, HOME = dir, XDG_CONFIG_HOME = false })
  t.eq(got.out, "14.0\n")
  got = cost_with(nil, "openai:m@http://h/v1", { ERLUA_PRICES = false, HOME = "/nowhere",
    XDG_CONFIG_HOME = dir .. "/.config" })
  t.eq(got.out, "14.0\n")
end)

t.test("a wrong table of prices is an error that names the file and the entry", function()
  for text, pattern in pairs {
    ['return {'] = "prices%.lua", ['return 5'] = "must return a table", ['return { m = {} }'] = 'write "openai:m"',
    ['return { ["openai:m"] = { input = 1 } }'] = "lacks its price of output",
      ['return { ["openai:m"] = { input = 1, output = 1, cache_reed = 1 } }'] = "did you mean cache_read",
    ['return { ["openai:m"] = { input = -1, output = 1 } }'] = "input is a number of dollars",
      ['return { ["openai:m"] = 5 }'] = "wants { input",
    ['return { ["openai:m"] = { input = 1, output = 1, above = 5 } }'] = "go together",
      ['return os.exit(0)'] = "prices%.lua",
  } do
    local r = cost_with(text, "openai:m")
    t.ok(r.code ~= 0, text)
    t.match(r.err, pattern)
  end
  t.match(cost_with(nil, "openai:m").err, "prices%.lua")
end)

t.test("tokens from elsewhere are only taken if they can be a number of tokens", function()
  for _, v in ipairs { 0, 5, 5.0, 1e9 } do t.eq(usage.tokens(v), math.floor(v)) end
  for _, v in ipairs { -1, 0 / 0, 1 / 0, 1e300, "5", true, {} } do t.eq(usage.tokens(v), nil) end
end)

return t
