-- llm/compose.lua - what both providers need of a request: its messages in one form, its
-- limit, and a body that can always be written.

local json = require("erlua.json")
local models = require("erlua.llm.models")

local M = {}

M.MAX_TOKENS = 16000           -- of a reply with its thinking, unless told

local JSON_ONLY = "Answer with one JSON value and nothing else: no words around it, no code fence."

-- A content as parts with a text each; empty ones, which providers refuse, are left out.
local function parts(content)
  if type(content) == "string" then return { { text = content } } end
  local out = {}
  for _, part in ipairs(content or {}) do
    local p = type(part) == "string" and { text = part } or { text = part.text, cache = part.cache }
    if p.text and p.text ~= "" then out[#out + 1] = p
    elseif p.cache and out[#out] then out[#out].cache = true end
  end
  if not out[1] then out[1] = { text = "" } end
  return out
end

---The messages with content in parts; the system prompt apart.
---@param request table
---@return {text: string, cache: boolean?}[]|nil system
---@return {role: string, parts: table[]}[] messages
function M.messages(request)
  local system, out = {}, {}
  local function add(content)
    for _, part in ipairs(parts(content)) do system[#system + 1] = part end
  end
  if request.system then add(request.system) end
  for _, message in ipairs(request.messages or {}) do
    if message.role == "system" and not out[1] then add(message.content)
    else out[#out + 1] = { role = message.role, parts = parts(message.content) } end
  end
  if request.prompt then out[#out + 1] = { role = "user", parts = parts(request.prompt) } end
  if request.json then system[#system + 1] = { text = JSON_ONLY } end
  return system[1] and system or nil, out
end

---All texts of some parts as one.
function M.joined(list)
  if #list == 1 then return list[1].text end
  local texts = {}
  for i, part in ipairs(list) do texts[i] = part.text end
  return table.concat(texts, "\n\n")
end

---Is the parameter asked for, and not one that this model refused?
function M.wants(request, name)
  return request[name] ~= nil and not (request.without and request.without[name])
end

---May this thing of the wire's own be sent?
function M.takes(request, name) return not (request.without and request.without[name]) end

---Is the reply to come as a stream?
function M.streams(request) return request.stream ~= false and M.takes(request, "stream") end

---How many tokens the reply may have.  Thinking counts in it.
---@param row table  of llm/models.lua
---@return integer
function M.limit(request, row)
  local n = request.max_tokens
  if not n then
    n = M.MAX_TOKENS
    if row.think == "budget" and math.type(request.thinking) == "integer" then
      n = math.max(n, request.thinking + 4096)
    end
  end
  return row.output and math.min(n, row.output) or n
end

---@return string[]
function M.stops(request)
  return type(request.stop) == "string" and { request.stop } or request.stop
end

local function clean(v)
  if type(v) == "string" then return json.utf8(v) end
  if type(v) ~= "table" then return v end
  local out = {}
  for k, x in next, v do out[k] = clean(x) end
  return next(out) and out or json.object(out)
end

---The body as JSON.  Prompts hold logs and files: bad UTF-8 in them becomes U+FFFD.
---@param body table
---@return string
function M.encode(body)
  local ok, text = pcall(json.encode, body)
  return ok and text or json.encode(clean(body))
end

local function wrong(...) error("llm: " .. string.format(...), 0) end

local function check_range(request, name, least, most)
  local v = request[name]
  if v ~= nil and (type(v) ~= "number" or not (v >= least and v <= most)) then
    wrong("%s is a number from %s to %s, not %s", name, least, most, tostring(v))
  end
end

local function check_whole(request, name, least)
  local v = request[name]
  if v ~= nil and (math.type(v) ~= "integer" or v < least) then
    wrong("%s is a whole number from %d up, not %s", name, least, tostring(v))
  end
end

local ROLES = { user = true, assistant = true, system = true }

---Raises for values that no provider could make sense of: a mistake of the caller.
---@param request table
function M.check(request)
  check_range(request, "temperature", 0, 2)
  check_range(request, "top_p", 0, 1)
  check_whole(request, "max_tokens", 1)
  check_whole(request, "seed", 0)
  if request.thinking ~= nil and not models.is_thinking(request.thinking) then
    wrong("thinking is a number of tokens, or low, medium, high, xhigh, max, or false; not %s", tostring(request.thinking))
  end
  for _, message in ipairs(request.messages or {}) do
    if not ROLES[message.role] then
      wrong("a message's role is user, assistant or system, not %s", tostring(message.role))
    end
  end
  if not request.prompt and not (request.messages and request.messages[1]) then
    wrong("a request has a prompt or messages")
  end
end

return M
