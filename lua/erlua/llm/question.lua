-- llm/question.lua - what a strategy may ask a model: its fields checked, and the short
-- text that stands for it in the journal.

local fs = require("erlua.core.fs")
local compose = require("erlua.llm.compose")
local json = require("erlua.json")
local text = require("erlua.text")

local M = {}

local FIELDS = {
  messages = "table", prompt = "string", system = "string or table", temperature = "number", top_p = "number",
  max_tokens = "number", stop = "string or table", thinking = "number or string or boolean", n = "number",
  seed = "number", json = "boolean or table", timeout = "number", stream = "boolean", on_text = "function",
  purpose = "string", trial = "number",
}
-- What does not change what is asked, and what the digest of the texts stands for.
local ASIDE = { timeout = true, stream = true, on_text = true, n = true, messages = true, prompt = true, system = true }

local function misuse(format, ...) error("llm:chat: " .. format:format(...), 0) end

local function check_field(name, v)
  local kind = FIELDS[name]
  if not kind then
    local names = {}
    for known in pairs(FIELDS) do names[#names + 1] = known end
    local near = text.nearest(tostring(name), names)
    misuse("unknown field '%s'%s", tostring(name), near and "; did you mean '" .. near .. "'?" or "")
  end
  if not (" or " .. kind .. " or "):find(" or " .. type(v) .. " or ", 1, true) then
    misuse("field '%s' must be a %s, but is a %s", name, kind, type(v))
  end
end

local function check_content(content, what)
  if type(content) == "string" then return end
  if type(content) ~= "table" or #content == 0 then
    misuse("%s needs a content: a text, or a list of texts and of { text = …, cache = true }", what)
  end
  for _, part in ipairs(content) do
    if type(part) ~= "string" and (type(part) ~= "table" or type(part.text) ~= "string") then
      misuse("%s: a part of its content is a text or { text = …, cache = true }", what)
    end
  end
end

local function check_texts(request)
  if (request.prompt == nil) == (request.messages == nil) then misuse("give either prompt or messages") end
  if request.system then check_content(request.system, "system") end
  for i, message in ipairs(request.messages or {}) do
    if type(message) ~= "table" then misuse("message %d is a %s, not { role = …, content = … }", i, type(message)) end
    check_content(message.content, "message " .. i)
  end
end

---Checks what is asked.
---@param given string|table  a prompt, or the fields
---@return table request  a copy
function M.request(given)
  if type(given) == "string" then given = { prompt = given } end
  if type(given) ~= "table" then misuse("a prompt or a table of fields expected, got a %s", type(given)) end
  local request = {}
  for name, v in pairs(given) do
    check_field(name, v)
    request[name] = v
  end
  check_texts(request)
  compose.check(request)
  if request.timeout and not (request.timeout > 0) then
    misuse("timeout is a number of seconds above 0, not %s", tostring(request.timeout))
  end
  return request
end

-- Texts with their lengths before them, so that no two prompts have one form.
local function add(out, s)
  out[#out + 1] = #s .. ":"
  out[#out + 1] = s
end

local function add_content(out, content)
  if type(content) == "string" then return add(out, content) end
  for _, part in ipairs(content) do
    if type(part) == "string" then part = { text = part } end
    out[#out + 1] = part.cache and "c" or "p"
    add(out, part.text)
  end
end

---A digest of all that the model is told.  Made once for many samples.
---@return string
function M.digest(request)
  local out = {}
  add_content(out, request.system or "")
  if request.prompt then add(out, request.prompt) end
  for _, message in ipairs(request.messages or {}) do
    add(out, message.role)
    add_content(out, message.content)
  end
  return fs.sha256(table.concat(out)):sub(1, 32)
end

---The request as canonical JSON: its digest in the place of its texts, no key, no limit of time.
---@param spec string
---@param request table
---@param digest string
---@return string json
function M.call(spec, request, digest)
  local out = json.object { model = spec, prompt = digest }
  for name, v in pairs(request) do
    if not ASIDE[name] then out[name] = v end
  end
  return json.encode(out)
end

return M
