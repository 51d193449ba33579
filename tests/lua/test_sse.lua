-- Server-sent events: the same events come out however the bytes were cut on their way.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local sse = require("erlua.sse")

-- The events of a stream that comes in pieces of n bytes; each as "name=data", or "=data".
local function events(bytes, n, limit)
  local out = {}
  local reader = sse.reader(function(name, data, id) out[#out + 1] = (name or "") .. "=" .. data
    .. (id and "#" .. id or "") end, limit)
  n = n or math.max(1, #bytes)
  for i = 1, #bytes, n do
    local ok, message, code = reader:feed(bytes:sub(i, i + n - 1))
    if not ok then return nil, message, code end
  end
  reader:finish()
  return out
end

local CASES = {
  { "data: a\n\ndata: b\n\n", { "=a", "=b" } },
  { "data: a\r\n\r\ndata: b\r\n\r\n", { "=a", "=b" } },
  { "data: a\r\rdata: b\r\r", { "=a", "=b" } },
  { "data: a\r\n\ndata: b\n\r\n", { "=a", "=b" } },
  { "\u{FEFF}data: a\n\n", { "=a" } },
  { ": a comment\n\n:\ndata: a\n: another\n\n", { "=a" } },
  { "event: x\ndata: a\n\ndata: b\n\n", { "x=a", "=b" } },
  { "data: one\ndata: two\ndata:three\n\n", { "=one\ntwo\nthree" } },
  { "data:a\n\ndata:  b\n\n", { "=a", "= b" } },
  { "data\n\ndata:\n\n", { "=", "=" } },
  { "id: 7\ndata: a\n\ndata: b\n\n", { "=a#7", "=b" } },
  { "retry: 100\nwhat: ever\nnonsense\ndata: a\n\n", { "=a" } },
  { "event: x\n\ndata: a\n\n", { "=a" } },
  { "data: {\"a\":1}\n\ndata: [DONE]\n\n", { "={\"a\":1}", "=[DONE]" } },
  { "error: {\"code\":500}\n\n", { "error={\"code\":500}" } },
  { "data: a:b: c\n\n", { "=a:b: c" } },
  { "data: \0\xff\x80\n\n", { "=\0\xff\x80" } },
  { "", {} }, { "\n\n\n", {} }, { "\r\n\r\n", {} }, { "\u{FEFF}", {} }, { "\xef\xbb", {} },
}

t.test("events are the same in pieces of any size", function()
  for _, case in ipairs(CASES) do
    for n = 1, 12 do t.eq(events(case[1], n), case[2], string.format("%q in pieces of %d", case[1], n)) end
    t.eq(events(case[1]), case[2], string.format("%q whole", case[1]))
  end
end)

t.test("a stream cut at every one of its bytes gives a prefix of its events", function()
  local bytes = "event: a\r\ndata: {\"x\":1}\r\n\r\n: c\n\ndata: {\"y\":\ndata: 2}\n\nevent: b\ndata: [DONE]\n\n"
  local all = events(bytes)
  t.eq(#all, 3)
  for i = 0, #bytes do
    for j, event in ipairs(events(bytes:sub(1, i), 3)) do
      if j < 3 then t.ok(event == all[j] or j == #events(bytes:sub(1, i), 3),
        "event " .. j .. " of " .. i .. " bytes") end
    end
  end
end)

t.test("the last event counts without its empty line, and half a line is none", function()
  t.eq(events("data: a\n\ndata: [DONE]"), { "=a", "=[DONE]" })
  t.eq(events("data: {\"a\":1}\n"), { "={\"a\":1}" })
  t.eq(events("data: a\n\ndata: {\"b\":"), { "=a" })
end)

t.test("an event over the limit ends the stream instead of filling memory, in one line or in many", function()
  local ok, message, code = events("data: " .. ("x"):rep(100000) .. "\n\n", 1000, 50000)
  t.eq({ ok, code }, { nil, "ETOOBIG" })
  t.match(message, "50000")
  ok, message, code = events(("data: xxxxxxxxxx\n"):rep(10000), 1000, 50000)
  t.eq({ ok, code }, { nil, "ETOOBIG" })
  ok, message, code = events(("x"):rep(100000), 7, 50000)
  t.eq({ ok, code }, { nil, "ETOOBIG" })
  t.eq(#events(("data: xxxxxxxxxx\n\n"):rep(10000), 1000, 50000), 10000)
end)

t.test("a long line in many pieces is put together once", function()
  local long = ("0123456789"):rep(400000)
  t.eq(#events("data: " .. long .. "\n\n", 4096)[1], #long + 1)
end)

t.test("a handler may end it: nothing comes after", function()
  local seen = {}
  local reader
  reader = sse.reader(function(_, data)
    seen[#seen + 1] = data
    if data == "b" then reader:stop() end
  end)
  reader:feed("data: a\n\ndata: b\n\ndata: c\n\n")
  reader:finish()
  t.eq(seen, { "a", "b" })
end)

return t
