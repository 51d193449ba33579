-- talk.lua: one request to a scripted server, for tests of what goes over the wire.
--
--   local talk = dofile(t.source .. "/tests/lib/talk.lua")(t)
--   local result, failure, server = talk.ask("openai", talk.replying("openai", { text = "hello" }))

local json = require("erlua.json")
local spec = require("erlua.llm.spec")
local wire = require("erlua.llm.wire")

return function(t)
  local fake = dofile(t.source .. "/tests/lib/fake.lua")
  local M = {}

  ---Asks a server that a script plays.
  ---@param provider "openai"|"anthropic"
  ---@param script string  see tests/fake/README.md
  ---@param with? table  fields of the request
  ---@param hooks? table
  ---@return table|nil result
  ---@return table|nil failure
  ---@return table server
  function M.ask(provider, script, with, hooks)
    local server = fake.start(t, script)
    local model = assert(spec.parse(provider .. ":m@" .. server.url .. (provider == "openai" and "/v1" or "")))
    local request = { prompt = "hi" }
    for k, v in pairs(with or {}) do request[k] = v end
    local result, failure = wire.attempt(model, request, hooks)
    return result, failure, server
  end

  ---A script that gives one reply, see tests/fake/wire.lua.
  function M.replying(provider, reply)
    return string.format("local side = require(%q)\nlocal reply = json.decode(%q)\n"
      .. "return function(req, res) side.answer(req, res, reply) end", provider, json.encode(reply))
  end

  ---A script that sends these bytes as a stream of events.
  function M.sending(text)
    return string.format("return function(req, res)\n  res:head(200, { ['Content-Type'] = 'text/event-stream' })\n"
      .. "  res:write(%q)\nend", text)
  end

  ---A script that answers with this body.
  function M.body(text, status, kind)
    return string.format("return function(req, res) res:reply(%d, { ['Content-Type'] = %q }, %q) end", status or 200,
      kind or "application/json", text)
  end

  ---Both providers, streamed and whole.
  ---@param fn fun(provider: string, stream: boolean, note: string)
  function M.each_way(fn)
    for _, provider in ipairs { "openai", "anthropic" } do
      for _, stream in ipairs { true, false } do fn(provider, stream, provider .. (stream and ", streamed" or ", whole")) end
    end
  end

  ---An event of chat completions.
  function M.chunk(v) return "data: " .. json.encode(v) .. "\n\n" end

  ---An event with a piece of text, and the end.
  function M.delta(s, finish)
    return M.chunk { id = "c", choices = { { index = 0, delta = { content = s }, finish_reason = finish or json.null } } }
  end

  return M
end
