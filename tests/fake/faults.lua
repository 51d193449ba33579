-- faults.lua - a server whose replies go wrong as the model's name says: "429+500+ok" is a
-- 429 for the first request of a prompt, a 500 for the second, a good reply for all others.
-- Both wire formats, by the path that is asked.  Steps:
--
--   ok  slow  length  refuse  empty  null  dup  badutf8     a reply of that kind
--   503  429@2  429@2ms  400!true                           a status; with Retry-After; with x-should-retry
--   quota  badparam-NAME  context                           a status with a body of its own
--   event-529                                               an error event inside a stream of status 200
--   hang  stall  cut  early  halfclose  short  badjson  html  no reply, or one that breaks off

local anthropic = require("anthropic")
local openai = require("openai")
local wire = require("wire")

local STREAM = { ["Content-Type"] = "text/event-stream" }

local seen = {}                -- requests so far, by model and prompt

local function step_of(format, model, prompt)
  local steps = {}
  for step in model:gmatch("[^+]+") do steps[#steps + 1] = step end
  local key = format .. "\0" .. model .. "\0" .. prompt
  seen[key] = (seen[key] or 0) + 1
  return steps[math.min(seen[key], #steps)], seen[key]
end

local function status(step)
  local code, rest = step:match("^(%d%d%d)(.*)$")
  if not code then return nil end
  local headers = {}
  local seconds, unit = rest:match("@(%d+%.?%d*)(m?s?)")
  if unit == "ms" then headers["retry-after-ms"] = seconds elseif seconds then headers["retry-after"] = seconds end
  headers["x-should-retry"] = rest:match("!(%a+)")
  return { status = math.tointeger(tonumber(code)), headers = headers, error = { message = "this is a " .. code } }
end

local BODIES = {
  quota = { status = 429, error = { message = "You exceeded your current quota", type = "insufficient_quota", code = "insufficient_quota" } },
  context = { status = 400, error = { message = "prompt is too long: 250000 tokens > 200000 maximum", type = "invalid_request_error" } },
}

local REPLIES = {
  ok = {}, slow = { pieces = 10, pause = 0.02 }, length = { finish = { openai = "length", anthropic = "max_tokens" } },
  refuse = { text = "", refusal = "not this", finish = { openai = "stop", anthropic = "refusal" } }, empty = { text = "" },
  badutf8 = { pieces = 1 },
}

-- What a good reply would send, as a list of pieces.
local function events(format, reply, body) return (format == "anthropic" and anthropic or openai).events(reply, body) end

local BROKEN = {}
function BROKEN.hang(res) res:hang() end
function BROKEN.early(res) res:cut() end
function BROKEN.html(res) res:reply(502, { ["Content-Type"] = "text/html" }, "<html><title>502 Bad Gateway</title>…</html>") end
function BROKEN.badjson(res, list)
  res:head(200, STREAM)
  res:write(list[1])
  res:write("event: message_delta\ndata: {\"choices\": [{]}\n\n")
end
function BROKEN.badutf8(res, list)
  res:head(200, STREAM)
  for _, s in ipairs(list) do res:write((s:gsub("the word", "the \xff\xfe w\xc3rd"))) end
end
function BROKEN.dup(res, list)
  res:head(200, STREAM)
  for i, s in ipairs(list) do
    s = "id: " .. i .. "\n" .. s
    res:write(s)
    res:write(s)
  end
end
local function half(res, list)
  res:head(200, STREAM)
  for i = 1, math.max(1, #list // 2) do res:write(list[i]) end
end
function BROKEN.cut(res, list) half(res, list) res:sleep(0.005) res:cut() end
function BROKEN.short(res, list) half(res, list) res:finish() end
function BROKEN.halfclose(res, list) half(res, list) res:half_close() res:hang() end
function BROKEN.stall(res, list) half(res, list) res:hang() end
function BROKEN.null(res)
  res:reply(200, { ["Content-Type"] = "application/json" }, '{"choices":[{"index":0,"message":{"role":"assistant","content":null},'
    .. '"finish_reason":"stop"}],"content":null,"type":"message","stop_reason":"end_turn","usage":null}')
end

local function error_event(res, list, code)
  res:head(200, STREAM)
  res:write(list[1])
  res:write("event: error\ndata: " .. json.encode { type = "error", error = { type = code == 529 and "overloaded_error" or "api_error",
    message = "this is a " .. code, code = code } } .. "\n\n")
end

local function copy(reply, format, text)
  local out = {}
  for k, v in pairs(reply) do out[k] = v end
  if type(out.finish) == "table" then out.finish = out.finish[format] end
  out.text = out.text or text
  return out
end

return function(req, res)
  local body = json.decode(req.body) or {}
  local format = req.path:find("/messages", 1, true) and "anthropic" or "openai"
  local all, last = wire.prompt(body)
  local step, n = step_of(format, body.model or "ok", all)
  local answer = (format == "anthropic" and anthropic or openai).answer
  local text = string.format("reply %d: the word is %s", n, last:sub(1, 60))
  local param = step:match("^badparam%-(.*)$")
  if param and body[param] ~= nil then
    return answer(req, res, { status = 400, error = { message = "Unsupported parameter: '" .. param .. "' is not supported with this model.",
      type = "invalid_request_error", param = param, code = "unsupported_parameter" } }, body)
  end
  local fails = status(step) or BODIES[step]
  if fails then return answer(req, res, fails, body) end
  local good = copy(REPLIES[step] or {}, format, text)
  local event = step:match("^event%-(%d+)$")
  if event then return error_event(res, events(format, good, body), math.tointeger(tonumber(event))) end
  if BROKEN[step] then return BROKEN[step](res, events(format, good, body)) end
  return answer(req, res, good, body)
end
