-- wire.lua - what the providers' sides share: cutting a text into the pieces of a stream,
-- counting tokens, and finding the reply to a request.
--
-- A reply: { text, thinking, refusal, pieces, finish, usage, model, status, headers, body, delay }.
-- `usage` is a table in the provider's own form, false for none; `pieces` how many deltas
-- the text comes in; `status` with `body` or `error` an error; `delay` seconds before the head.

local M = {}

---@return integer  about 4 bytes a token: the same for the same text
function M.tokens(s) return (#s + 3) // 4 end

---A text in n pieces of about the same length, cut anywhere but inside a character.
function M.pieces(s, n)
  local out, from = {}, 1
  n = math.max(1, math.min(n or 4, math.max(1, #s)))
  for i = 1, n do
    local to = i == n and #s or #s * i // n
    while to < #s and (s:byte(to + 1) & 0xC0) == 0x80 do to = to + 1 end
    if to >= from then out[#out + 1] = s:sub(from, to) end
    from = to + 1
  end
  return out
end

local function text_of(content)
  if type(content) == "string" then return content end
  local out = {}
  for _, part in ipairs(type(content) == "table" and content or {}) do out[#out + 1] = type(part) == "table"
    and part.text or "" end
  return table.concat(out, "\n\n")
end

---All that the model is told, and what was said last.
---@return string all
---@return string last
function M.prompt(body)
  local out, last = {}, ""
  if body.system then out[1] = text_of(body.system) end
  for _, message in ipairs(body.messages or {}) do
    last = text_of(message.content)
    out[#out + 1] = last
  end
  return table.concat(out, "\n\n"), last
end

---Tells what to reply: replies of a JSON file (`replies=FILE`) one after the other, the
---last for ever; else the same words for the same prompt.
---@param args table<string, string>
---@return fun(all: string, last: string): table
function M.script(args)
  local list, next_reply = nil, 1
  if args.replies then
    local f = assert(io.open(args.replies, "rb"))
    list = assert(json.decode(f:read("a")))
    f:close()
  end
  return function(all, last)
    if not list then return { text = string.format("You said %d words: %s", select(2, all:gsub("%S+", "")),
      last:sub(1, 200)) } end
    local reply = list[math.min(next_reply, #list)]
    next_reply = next_reply + 1
    return type(reply) == "string" and { text = reply } or reply
  end
end

---Answers that are no reply: an error, a page, anything.
---@return boolean answered
function M.plain(res, reply, error_body)
  if reply.delay then res:sleep(reply.delay) end
  if not reply.status then return false end
  local headers = { ["Content-Type"] = "application/json" }
  for k, v in pairs(reply.headers or {}) do headers[k] = v end
  local body = reply.body or error_body(reply.error or { message = "an error" })
  res:reply(reply.status, headers, type(body) == "string" and body or json.encode(body))
  return true
end

---A reply as a stream of events.
---@param pause number|nil  seconds behind each
function M.stream(res, events, pause)
  res:head(200, { ["Content-Type"] = "text/event-stream" })
  for _, event in ipairs(events) do
    res:write(event)
    if pause then res:sleep(pause) end
  end
end

---A server of one provider's format, or the module where it is required.
---@param answer fun(req: table, res: table, reply: table, body: table)
function M.server(args, answer)
  local script = M.script(args)
  return function(req, res)
    local body = json.decode(req.body) or {}
    return answer(req, res, script(M.prompt(body)), body)
  end
end

return M
