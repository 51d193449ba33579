-- wire.lua: what a provider's reply costs the engine to read, and a request to write: CPU
-- time alone, no socket.  Each beside the JSON codec on the same bytes, which is the floor.
--   erlua tests/bench/wire.lua

local anthropic = require("erlua.llm.anthropic")
local host = require("erlua.core.host")
local json = require("erlua.json")
local openai = require("erlua.llm.openai")
local spec = require("erlua.llm.spec")
local sse = require("erlua.sse")

local SIDES = { openai = openai, anthropic = anthropic }

-- Microseconds of CPU a call, the best of five rounds.
local function cpu(n, fn)
  local best = math.huge
  for _ = 1, 5 do
    local before = host.usage()
    for _ = 1, n do fn() end
    best = math.min(best, (host.usage() - before) / n * 1e6)
  end
  return best
end

local function openai_events(n)
  local out = {}
  for i = 1, n do
    out[i] = json.encode { id = "chatcmpl-1", object = "chat.completion.chunk", created = 1, model = "m",
      choices = { { index = 0, delta = { content = "word " .. i .. " of the answer " }, finish_reason = json.null } } }
  end
  out[n + 1] = json.encode { choices = { { index = 0, delta = json.object {}, finish_reason = "stop" } } }
  out[n + 2] = json.encode { choices = {}, usage = { prompt_tokens = 9, completion_tokens = n, total_tokens = n + 9 } }
  out[n + 3] = "[DONE]"
  return out
end

local function anthropic_events(n)
  local out = { json.encode { type = "message_start", message = { id = "m", model = "m",
    usage = { input_tokens = 9, output_tokens = 1 } } },
    json.encode { type = "content_block_start", index = 0, content_block = { type = "text", text = "" } } }
  for i = 1, n do
    out[#out + 1] = json.encode { type = "content_block_delta", index = 0,
      delta = { type = "text_delta", text = "word " .. i .. " of the answer " } }
  end
  out[#out + 1] = json.encode { type = "message_delta", delta = { stop_reason = "end_turn" },
    usage = { output_tokens = n } }
  out[#out + 1] = json.encode { type = "message_stop" }
  return out
end

local function bench_reply(provider, events)
  local model = assert(spec.parse(provider .. ":m@http://h"))
  local bytes = "data: " .. table.concat(events, "\n\ndata: ") .. "\n\n"
  local whole = cpu(math.max(20, 20000 // #events), function()
    local reader = SIDES[provider].reader { model = model, request = { prompt = "x" }, hooks = {}, headers = {} }
    local stream = sse.reader(function(name, data) reader:event(name, data) end)
    for at = 1, #bytes, 16384 do stream:feed(bytes:sub(at, at + 16383)) end
    stream:finish()
    assert(reader:result())
  end)
  local floor = cpu(math.max(20, 20000 // #events), function()
    for _, event in ipairs(events) do
      if event ~= "[DONE]" then json.mend(event) end
    end
  end)
  print(string.format("%-10s reply of %4d events, %6d bytes: %8.1f us, %4.2f times JSON alone", provider, #events,
    #bytes, whole, whole / floor))
end

for _, n in ipairs { 10, 1000 } do
  bench_reply("openai", openai_events(n))
  bench_reply("anthropic", anthropic_events(n))
end

for _, provider in ipairs { "openai", "anthropic" } do
  local model = assert(spec.parse(provider .. ":m@http://h"))
  for _, size in ipairs { 100, 50000 } do
    local prompt = ("local answer = 42 -- a line\n"):rep(size // 28)
    local whole = cpu(500, function() SIDES[provider].request(model, { prompt = prompt }) end)
    local floor = cpu(500, function() json.encode { prompt } end)
    print(string.format("%-10s request of %6d bytes: %8.1f us, %4.2f times JSON alone", provider, #prompt, whole,
      whole / floor))
  end
end
