-- llm/init.lua - language models: a specification such as "anthropic:MODEL" becomes an
-- object that can be asked.  A question is one effect of the study: asked once, recorded.

local core = require("erlua.core.study")
local task = require("erlua.core.task")
local specs = require("erlua.llm.spec")

local M = {}

local Model = {}
Model.__index = Model
Model.__name = "erlua.llm"

local OPTIONS = { base_url = "string", key_env = "string", fallback = "any", concurrency = "number", rpm = "number",
  tpm = "number", env = "table" }

local function misuse(message) error("erlua.llm: " .. message, 0) end

local function check_options(options)
  for name, v in pairs(options) do
    local kind = OPTIONS[name]
    if not kind then misuse("unknown option '" .. tostring(name) .. "'") end
    if kind ~= "any" and type(v) ~= kind then
      misuse("option '" .. name .. "' must be a " .. kind .. ", but is a " .. type(v))
    end
  end
end

---@param spec string  "anthropic:MODEL", "openai:MODEL", either with "@URL" for another server, or "builtin:mutate"
---@param options? {base_url: string?, key_env: string?, fallback: string|table|nil, concurrency: integer?, rpm: integer?,
---  tpm: integer?, env: erlua.env?}
---@return erlua.llm model
function M.new(spec, options)
  options = options or {}
  check_options(options)
  local model, message = specs.parse(spec, options)
  if not model then misuse(message) end
  if model.provider == "builtin" then
    if not options.env then
      misuse("builtin:mutate changes the code of an environment; give option env, or use it through a study")
    end
    return require("erlua.llm.builtin").new(options)
  end
  model.options = { concurrency = options.concurrency, rpm = options.rpm, tpm = options.tpm }
  local other = options.fallback
  if type(other) == "string" then other = M.new(other, model.options) end
  if other and getmetatable(other) ~= Model then
    misuse("a fallback is a model that can be asked, such as openai:MODEL")
  end
  model.fallback = other
  return setmetatable(model, Model)
end

-- ---- asking --------------------------------------------------------------------------------------

-- The first of several samples goes ahead: when its reply begins, the provider has cached
-- the prompt that the others share.
local Lead = {}
Lead.__index = Lead

function Lead:go()
  self.gone = true
  self.parking:wake()
end
Lead.__close = Lead.go

local function follow(lead)
  if lead.gone then return end
  local held <close> = task.hold()                  -- it is the first one that keeps the study alive
  while not lead.gone do lead.parking:wait() end
end

-- What all samples of a request share, made once.
local function prepare(self, given)
  local question = require("erlua.llm.question")
  local request = question.request(given)
  if request.on_text and core.state() ~= "off" then
    error("llm:chat: in a study on_text would see each reply once and never again; take the text of the reply", 0)
  end
  local digest = question.digest(request)
  local call = question.call(self.spec, request, digest)
  request.memo = {}
  return { request = request, digest = digest, call = call,
    purpose = request.purpose or "chat", together = {}, lead = setmetatable({ parking = task.parking() }, Lead) }
end

local function of_sample(prepared, i)
  local request = prepared.request
  if i == 1 or not request.seed then return request end
  local out = {}
  for name, v in pairs(request) do out[name] = v end
  out.seed = request.seed + i - 1
  return out
end

local function remember(self, digest, reply, message, code)
  local refused = reply and reply.refused or code == "refusal" and message
  if refused then
    local room = require("erlua.llm.room").get()
    room:remember_refusal(self.spec, digest, refused)
    if not reply and self.fallback then room:remember_refusal(self.fallback.spec, digest, refused) end
  end
  return reply, message, code
end

local function sample(self, prepared, i)
  local lead = prepared.lead
  local first <close> = i == 1 and lead or nil
  local call = i == 1 and prepared.call or prepared.call:sub(1, -2) .. ',"sample":' .. i .. "}"
  local context = { purpose = prepared.purpose, trial = prepared.request.trial, digest = prepared.digest,
    together = prepared.together, started = i == 1 and function() lead:go() end or nil }
  return remember(self, prepared.digest, task.effect("chat", call, function()
    if i > 1 then follow(lead) end
    return require("erlua.llm.call").ask(self, of_sample(prepared, i), context)
  end))
end

---Asks the model several times at once and hands out the replies as they come:
---`for i, reply, message, code in llm:samples(request, 10) do`.  Leaving the loop cancels the rest.
---@param request string|table  as of chat
---@param n integer
---@return fun(): integer?, table?, string?, string?
function Model:samples(request, n)
  if math.type(n) ~= "integer" or n < 1 then
    error("llm:samples: the number of samples must be a whole number from 1 up", 2)
  end
  local prepared, numbers = prepare(self, request), {}
  for i = 1, n do numbers[i] = i end
  return require("erlua.tasks").each(numbers, function(i) return sample(self, prepared, i) end, { parallel = n })
end

local function several(self, request, n)
  local replies, missing, why = {}, nil, nil
  for i, reply, message, code in self:samples(request, n) do
    replies[i] = reply
    if not reply and not missing then missing, why = message, code end
  end
  local out = {}
  for i = 1, n do out[#out + 1] = replies[i] end
  if #out == 0 then return nil, missing, why end
  return out
end

---Asks the model.
---@param request string|table  a prompt, or { messages | prompt, system, temperature, top_p, max_tokens, stop, thinking,
---  n, seed, json, timeout, stream, on_text }
---@return table|nil reply  { text, thinking, stop_reason, usage, cost, model, latency, attempts }; with n a list of
---  those that came
---@return string? message
---@return string? code
function Model:chat(request)
  local n = type(request) == "table" and request.n
  if n and n ~= 1 then return several(self, request, n) end
  return sample(self, prepare(self, request), 1)
end

function Model:__tostring() return "model " .. self.spec end

return M
