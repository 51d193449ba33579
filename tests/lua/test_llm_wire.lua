-- What is made of a provider's reply, in both formats, streamed and whole, also where the
-- server misbehaves.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local talk = dofile(t.source .. "/tests/lib/talk.lua")(t)
local json = require("erlua.json")

local ask, replying, sending, chunk, delta = talk.ask, talk.replying, talk.sending, talk.chunk, talk.delta

t.test("a reply comes with its text, thinking, reason and usage", function()
  talk.each_way(function(provider, stream, note)
    local reply = { text = "The answer is 42: é😀.", thinking = "let me think", pieces = 7, model = "m-2026" }
    reply.usage = provider == "openai"
      and { prompt_tokens = 100, completion_tokens = 20, total_tokens = 120,
        prompt_tokens_details = { cached_tokens = 60, cache_write_tokens = 30 },
        completion_tokens_details = { reasoning_tokens = 5 } }
      or { input_tokens = 10, cache_read_input_tokens = 60, cache_creation_input_tokens = 30, output_tokens = 20,
        output_tokens_details = { thinking_tokens = 5 } }
    local started, deltas = 0, {}
    local r, f = ask(provider, replying(provider, reply), { stream = stream },
      { started = function() started = started + 1 end, text = function(s) deltas[#deltas + 1] = s end })
    t.ok(r, note .. ": " .. (f and f.message or ""))
    t.eq({ r.text, r.thinking, r.stop_reason, r.refusal, r.model, r.cleaned },
      { reply.text, reply.thinking, "end", nil, "m-2026", nil }, note)
    t.eq(r.usage, { input = 10, cache_read = 60, cache_write = 30, output = 20, thinking = 5, estimated = false }, note)
    t.eq(started, 1, note)
    t.eq(table.concat(deltas), reply.text, note)
    if stream then t.eq(#deltas, 7, note) end
  end)
end)

t.test("reasons to stop are the same words for both providers", function()
  for finish, want in pairs { stop = "end", length = "max_tokens", tool_calls = "end", content_filter = "refusal",
    eos_token = "end", something_new = "end" } do
    for _, stream in ipairs { true, false } do
      t.eq(ask("openai", replying("openai", { text = "x", finish = finish, usage = false }),
        { stream = stream }).stop_reason, want, finish)
    end
  end
  for finish, want in pairs { end_turn = "end", stop_sequence = "stop", max_tokens = "max_tokens",
    model_context_window_exceeded = "context",
    tool_use = "end", pause_turn = "end", refusal = "refusal", something_new = "end" } do
    for _, stream in ipairs { true, false } do
      t.eq(ask("anthropic", replying("anthropic", { text = "x", finish = finish }), { stream = stream }).stop_reason,
        want, finish)
    end
  end
end)

t.test("a reply that ends for length before its limit has filled the context", function()
  local function reason(output, limit)
    local usage = { prompt_tokens = 10, completion_tokens = output, total_tokens = 10 + output }
    return ask("openai", replying("openai", { text = "x", finish = "length", usage = usage }),
      { max_tokens = limit }).stop_reason
  end
  t.eq({ reason(100, 100), reason(60, 100) }, { "max_tokens", "context" })
end)

t.test("refusals carry the provider's explanation", function()
  talk.each_way(function(provider, stream, note)
    local r = ask(provider, replying(provider, { refusal = "I cannot help with that." }), { stream = stream })
    t.eq({ r.stop_reason, r.refusal, r.text }, { "refusal", "I cannot help with that.", "" }, note)
  end)
  local r = ask("anthropic", replying("anthropic", { text = "part", finish = "refusal" }))
  t.eq({ r.stop_reason, r.text }, { "refusal", "part" })
  t.match(r.refusal, "the model refused")
  r = ask("openai", replying("openai", { text = "part", finish = "content_filter" }))
  t.match(r.refusal, "content filter")
end)

t.test("an error that is a refusal is one", function()
  for _, e in ipairs {
    { 400, { message = "The response was filtered", code = "content_filter",
      innererror = { code = "ResponsibleAIPolicyViolation" } } },
    { 400, { message = "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
      code = "invalid_prompt" } },
    { 403, { message = "Your chosen model requires moderation and your input was flagged", code = 403,
      metadata = { reasons = { "violence" } } } },
  } do
    local r, f = ask("openai", replying("openai", { status = e[1], error = e[2] }))
    t.ok(r, f and f.message)
    t.eq({ r.stop_reason, r.refusal, r.usage.output }, { "refusal", e[2].message, 0 })
  end
end)

t.test("thinking is found under all its names and never in the text", function()
  for _, field in ipairs { "reasoning", "reasoning_content" } do
    for _, stream in ipairs { true, false } do
      local r = ask("openai", replying("openai", { text = "answer", thinking = "thought", thinking_field = field }),
        { stream = stream })
      t.eq({ r.text, r.thinking }, { "answer", "thought" }, field)
    end
  end
  local parts = { { type = "thinking", thinking = { { type = "text", text = "thought" } } },
    { type = "text", text = "answer" } }
  local r = ask("openai", replying("openai", { content = parts }), { stream = false })
  t.eq({ r.text, r.thinking }, { "answer", "thought" })
end)

local THINK = {
  { "<think>a thought</think>the answer", "the answer", "a thought" },
  { "<think>\na thought\n</think>\n\nthe answer", "the answer", "\na thought\n" },
  { "\n <think>a</think> b", "b", "a" },
  { "<thinking>a</thinking>b", "b", "a" },
  { "<think>never closed", "", "never closed" },
  { "<think>closed</thin", "", "closed</thin" },
  { "<think></think>", "", "" },
  { "a <think>b</think> c", "a <think>b</think> c", "" },
  { "a thought\n</think>\n\nthe answer", "the answer", "a thought\n" },
  { "<thi", "<thi", "" }, { "<thinker>x", "<thinker>x", "" }, { "", "", "" }, { "  x", "  x", "" },
}

t.test("a leading <think> block is thinking, however the stream cuts it", function()
  local replies = require("erlua.llm.reply")
  for _, case in ipairs(THINK) do
    for n = 1, #case[1] + 1 do
      local seen = {}
      local reply = replies.new({ text = function(s) seen[#seen + 1] = s end }, true)
      for i = 1, #case[1], n do reply:text(case[1]:sub(i, i + n - 1)) end
      local text, thinking = reply:parts()
      t.eq({ text, thinking }, { case[2], case[3] }, string.format("%q in pieces of %d", case[1], n))
      if case[1]:find("^%s*<think") and not case[1]:find("thinker") then t.eq(table.concat(seen), case[2]) end
    end
  end
  for _, stream in ipairs { true, false } do
    local r = ask("openai", replying("openai", { text = THINK[1][1], pieces = 9 }), { stream = stream })
    t.eq({ r.text, r.thinking }, { "the answer", "a thought" })
  end
end)

t.test("usage that nobody sent is estimated and marked", function()
  for _, stream in ipairs { true, false } do
    local r = ask("openai", replying("openai", { text = ("x"):rep(350), usage = false }),
      { stream = stream, prompt = ("y"):rep(3500) })
    t.eq({ r.usage.estimated, r.usage.output, r.usage.input > 900 }, { true, 100, true })
  end
  for _, usage in ipairs { { prompt_tokens = -1, completion_tokens = 5 },
    { prompt_tokens = "10", completion_tokens = 5 }, { prompt_tokens = 1e300, completion_tokens = 1 }, {} } do
    t.eq(ask("openai", replying("openai", { text = "x", usage = usage }), { stream = false }).usage.estimated, true,
      json.encode(usage))
  end
end)

t.test("usage counts once, also where every chunk has it, or thinking is counted beside the answer", function()
  local function used(last, between)
    local r = ask("openai", sending((between or "") .. delta("x", "stop") .. chunk { choices = {}, usage = last }
      .. "data: [DONE]\n\n"))
    return { r.usage.input, r.usage.cache_read, r.usage.output, r.usage.thinking, r.usage.estimated }
  end
  local first = chunk { choices = { { index = 0, delta = { content = "a" } } },
    usage = { prompt_tokens = 9, completion_tokens = 1, total_tokens = 10 } }
  t.eq(used({ prompt_tokens = 9, completion_tokens = 4, total_tokens = 13 }, first .. first), { 9, 0, 4, 0, false })
  t.eq(used { prompt_tokens = 9, completion_tokens = 4, total_tokens = 20,
    completion_tokens_details = { reasoning_tokens = 7 } }, { 9, 0, 11, 7, false })
  t.eq(used { prompt_tokens = 9, prompt_cache_hit_tokens = 5, prompt_cache_miss_tokens = 4, completion_tokens = 4,
    total_tokens = 13 }, { 4, 5, 4, 0, false })
end)

t.test("an empty reply, null content and a reply of tool calls alone are replies", function()
  for _, stream in ipairs { true, false } do
    local r = ask("openai", replying("openai", { usage = false }), { stream = stream })
    t.eq({ r.text, r.stop_reason, r.tools }, { "", "end", nil })
    r = ask("openai", replying("openai",
      { tool_calls = { { id = "1", ["function"] = { name = "f", arguments = "{}" } } }, finish = "tool_calls" }),
      { stream = stream })
    t.eq({ r.text, r.stop_reason, r.tools }, { "", "end", true })
    r = ask("anthropic", replying("anthropic",
      { blocks = { { type = "tool_use", id = "t", name = "f", input = {} }, { type = "novelty", x = 1 } },
      finish = "tool_use" }), { stream = stream })
    t.eq({ r.text, r.stop_reason, r.tools }, { "", "end", true })
  end
  local r = ask("openai", sending(chunk { choices = { { delta = { content = json.null }, finish_reason = json.null } } }
    .. delta("x") .. delta(nil, "stop")))
  t.eq(r.text, "x")
end)

t.test("a reply without choices, or without a message, is garbled", function()
  for _, body in ipairs { "{}", "[]", '{"choices":null}', '{"object":"chat.completion"}', "not json", '{"cut', "",
    "null" } do
    local script = talk.body(body)
    for _, provider in ipairs { "openai", "anthropic" } do
      local r, f = ask(provider, script)
      t.eq({ r, f and f.code }, { nil, "garbled" }, provider .. " " .. body)
      t.match(f.message, "^127%.0%.0%.1")
    end
  end
end)

t.test("the shape of a reply is seen from its bytes, not from what was asked or what its head says", function()
  for _, provider in ipairs { "openai", "anthropic" } do
    for _, stream in ipairs { true, false } do
      local script = string.format("local side = require(%q)\nreturn function(req, res)\n"
        .. "  local body = json.decode(req.body)\n  body.stream = not body.stream\n"
        .. "  side.answer(req, res, { text = 'all of it' }, body)\nend", provider)
      t.eq(ask(provider, script, { stream = stream }).text, "all of it")
    end
  end
  local r, f = ask("openai", talk.body("<html><title>Welcome</title></html>", 200, "text/html"))
  t.eq({ r, f.code }, { nil, "url" })
  t.match(f.message, "Welcome")
  t.match(f.message, "is the URL right")
end)

-- ---- streams that are not as they should be -------------------------------------------------------------

t.test("comments, CRLF, a BOM, pings, unknown events and split lines change nothing", function()
  local script = [[
    local side = require("%s")
    return function(req, res)
      local body = json.decode(req.body)
      local events = side.events({ text = "one two three", pieces = 5 }, body)
      local noise = ": still here\n\nevent: news\ndata: {\"type\":\"news\"}\n\n"
      local all = "\u{FEFF}: welcome\r\n\r\n" .. table.concat(events, noise)
      all = all:gsub("\n", "\r\n")
      res:head(200, { ["Content-Type"] = "text/event-stream; charset=utf-8" })
      for i = 1, #all, 7 do res:write(all:sub(i, i + 6)) end
    end]]
  for _, provider in ipairs { "openai", "anthropic" } do
    local r, f = ask(provider, script:format(provider))
    t.ok(r, f and f.message)
    t.eq({ r.text, r.stop_reason, r.usage.estimated }, { "one two three", "end", false })
  end
end)

t.test("events that come twice count once where that can be seen", function()
  local twice = [[
    local side = require("%s")
    return function(req, res)
      res:head(200, { ["Content-Type"] = "text/event-stream" })
      for i, event in ipairs(side.events({ text = "one two", pieces = 2 }, json.decode(req.body))) do
        res:write("id: " .. i .. "\n" .. event .. "id: " .. i .. "\n" .. event)
      end
    end]]
  for _, provider in ipairs { "openai", "anthropic" } do
    local r = ask(provider, twice:format(provider))
    t.eq({ r.text, r.stop_reason, r.usage.estimated }, { "one two", "end", false })
  end
  local again = [[
    local side = require("anthropic")
    return function(req, res)
      local events = side.events({ text = "one two" }, json.decode(req.body))
      res:head(200, { ["Content-Type"] = "text/event-stream" })
      for i = 1, #events - 2 do res:write(events[i]) end
      for _, event in ipairs(events) do res:write(event) end
      for _, event in ipairs(events) do res:write(event) end
    end]]
  t.eq(ask("anthropic", again).text, "one two")
  local usage = { prompt_tokens = 3, completion_tokens = 2, total_tokens = 5 }
  local r = ask("openai", sending(delta("x") .. delta("", "stop") .. delta("", "stop")
    .. chunk { choices = {}, usage = usage }
    .. chunk { choices = {}, usage = usage } .. "data: [DONE]\n\ndata: [DONE]\n\n" .. delta("late")))
  t.eq({ r.text, r.usage.output }, { "x", 2 })
end)

t.test("an id that all events share makes none of them a repetition", function()
  local function all(first_line)
    local out = {}
    for _, s in ipairs { "a", "b", "b", "b", "c" } do out[#out + 1] = first_line .. delta(s) end
    return table.concat(out) .. "data: [DONE]\n\n"
  end
  for _, line in ipairs { "id: 0\n", "id: chatcmpl-1\n", "id:\n", "" } do t.eq(ask("openai", sending(all(line))).text, "abbbc", line) end
  t.eq(ask("openai", sending("id: 1\n" .. all(""))).text, "abbbc")
end)

t.test("blocks that share a number, or have none, are all heard", function()
  for _, index in ipairs { "0", "null", "" } do
    local script = string.format([[
      local side = require("anthropic")
      return function(req, res)
        res:head(200, { ["Content-Type"] = "text/event-stream" })
        for _, event in ipairs(side.events({ text = "answer", thinking = "thought" }, json.decode(req.body))) do
          res:write((event:gsub('"index":%%d+', %q == "" and '"x":0' or '"index":' .. %q)))
        end
      end]], index, index)
    local r, f = ask("anthropic", script)
    t.ok(r, f and f.message)
    t.eq({ r.text, r.thinking }, { "answer", "thought" }, index)
  end
end)

t.test("a stream that stops before its end is cut, and what came of it is kept", function()
  local cut = [[
    local side = require("%s")
    return function(req, res)
      local events = side.events({ text = ("word "):rep(100), thinking = "hm", pieces = 10 }, json.decode(req.body))
      res:head(200, { ["Content-Type"] = "text/event-stream" })
      for i = 1, #events // 2 do res:write(events[i]) end
      %s
    end]]
  for _, provider in ipairs { "openai", "anthropic" } do
    for _, how in ipairs { "", "res:cut()", "res:close()", "res:write('data: {\"cho')\n res:close()" } do
      local r, f = ask(provider, cut:format(provider, how))
      t.eq({ r, f and f.code }, { nil, "cut" }, provider .. " " .. how)
      if how ~= "res:cut()" then                    -- which may overtake what was sent before it
        t.match(f.partial.text, "^word word")
        t.eq({ f.partial.usage.estimated, f.partial.usage.input > 0, f.partial.usage.output > 5 }, { true, true, true })
      end
    end
  end
end)

t.test("a stream needs [DONE] or a reason to stop, not both", function()
  t.eq(ask("openai", sending(delta("x", "stop"))).text, "x")
  t.eq(ask("openai", sending(delta("x") .. "data: [DONE]\n\n")).text, "x")
  t.eq(ask("openai", sending(delta("x") .. "data: [DONE]")).text, "x")
  t.eq(select(2, ask("openai", sending(delta("x")))).code, "cut")
  t.eq(select(2, ask("openai", sending("data: [DONE]\n\n"))).code, "garbled")
  local ended = "event: message_delta\ndata: " .. json.encode { type = "message_delta",
    delta = { stop_reason = "end_turn" }, usage = { output_tokens = 3 } } .. "\n\n"
  local start = "event: message_start\ndata: " .. json.encode { type = "message_start",
    message = { id = "i", usage = { input_tokens = 5, output_tokens = 1 } } } .. "\n\n"
  local r = ask("anthropic", sending(start .. ended))
  t.eq({ r.text, r.usage.input, r.usage.output }, { "", 5, 3 })
end)

t.test("a stream without a word is asked for again as a whole, since its error may be said there", function()
  local script = [[
    return function(req, res)
      if json.decode(req.body).stream then
        res:head(200, { ["Content-Type"] = "text/event-stream" })
      else
        res:reply(400, {}, json.encode { error = { message = "too long", code = "context_length_exceeded" } })
      end
    end]]
  local r, f = ask("openai", script)
  t.eq({ r, f.code, f.parameter }, { nil, "garbled", "stream" })
  r, f = ask("openai", script, { without = { stream = true } })
  t.eq({ r, f.code, f.parameter }, { nil, "context", nil })
  t.eq(select(2, ask("openai", sending(": hello\n\n"))).parameter, "stream")
  t.eq(select(2, ask("openai", sending(delta("x")))).parameter, nil)
end)

t.test("a reply that was complete counts, though the connection ends badly behind it", function()
  local script = [[
    local side = require("%s")
    return function(req, res)
      res:head(200, { ["Content-Type"] = "text/event-stream" })
      for _, event in ipairs(side.events({ text = "done" }, json.decode(req.body))) do res:write(event) end
      %s
    end]]
  for _, provider in ipairs { "openai", "anthropic" } do
    for _, how in ipairs { "res:close()", "res:hang()" } do t.eq(ask(provider, script:format(provider, how)).text,
      "done", provider .. how) end
  end
end)

t.test("an event that is no JSON is garbled; bad UTF-8, lone surrogates and NULs inside one are mended and marked",
  function()
  local r, f = ask("openai", sending(delta("x") .. "data: {oops}\n\n" .. delta("y", "stop")))
  t.eq({ r, f.code, f.partial.text }, { nil, "garbled", "x" })
  r, f = ask("anthropic", sending("event: message_start\ndata: {]\n\n"))
  t.eq({ r, f.code }, { nil, "garbled" })
  for bytes, want in pairs { ["a\xffb"] = "a\u{FFFD}b", ["a\\ud83db"] = "a\u{FFFD}b", ["\\ude00"] = "\u{FFFD}",
    ["a\\u0000b"] = "a\0b", ["\\ud83d\\u0041"] = "\u{FFFD}A" } do
    local event = 'data: {"choices":[{"index":0,"delta":{"content":"' .. bytes .. '"}}]}\n\n'
    r = ask("openai", sending(event .. delta("!", "stop")))
    t.eq({ r.text, r.cleaned }, { want .. "!", bytes:find("0000") == nil or nil }, bytes)
    t.ok(utf8.len(r.text))
    event = 'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"' .. bytes .. '"}}\n\n'
    r = ask("anthropic", sending(event .. 'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n'))
    t.eq(r.text, want)
    r = ask("openai", talk.body('{"choices":[{"message":{"content":"' .. bytes .. '"}}]}'))
    t.eq(r.text, want)
  end
end)

t.test("a huge reply is refused by its size and not by memory", function()
  local r, f = ask("openai", [[
    local piece = ("x"):rep(1 << 20)
    return function(req, res)
      res:head(200, { ["Content-Type"] = "text/event-stream" })
      res:write("data: ")
      for _ = 1, 100 do res:write(piece) end
    end]])
  t.eq({ r, f.code }, { nil, "too_large" })
end)

return t
