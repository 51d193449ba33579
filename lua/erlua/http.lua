-- http.lua - one HTTP request as an effect: its reply is in the journal, its keys are not.

local core = require("erlua.core.http")
local fs = require("erlua.core.fs")
local json = require("erlua.core.json")
local task = require("erlua.core.task")
local responses = require("erlua.response")

local M = {}

local FIELDS = { url = "string", method = "string", headers = "table", body = "string", connect_timeout = "number",
  idle_timeout = "number", timeout = "number", max_bytes = "number" }
local MAX_BYTES = 16 * 1024 * 1024
local TIMEOUT = 600

local function check(request)
  if type(request) ~= "table" then error("erlua.http: a table expected: erlua.http { url = \"https://…\" }", 3) end
  for name, v in pairs(request) do
    if type(v) ~= FIELDS[name] then
      error("erlua.http: " .. (FIELDS[name] and "field '" .. name .. "' must be a " .. FIELDS[name]
        or "unknown field '" .. tostring(name) .. "'"), 3)
    end
  end
  if not request.url then error("erlua.http: field 'url' is missing", 3) end
end

-- { "Name: value", … } or { Name = value, … } -> the list, and the names alone.
local function header_lines(headers)
  local lines, names = {}, {}
  for k, v in pairs(headers or {}) do
    local line = type(k) == "string" and k .. ": " .. tostring(v) or v
    if type(line) ~= "string" then
      error("erlua.http: a header must be a text \"Name: value\" or a field Name = value", 3)
    end
    lines[#lines + 1], names[#names + 1] = line, line:match("^[^:]*"):lower()
  end
  return lines, names
end

-- What tells this call from another.  Header values, passwords and queries may be keys: they are
-- left out, or stand in a digest.
local function call_text(request, method, names)
  local url = request.url:gsub("^(%a+://)[^/?#]*@", "%1")
  local clean = { url = url, body = request.body and fs.sha256(request.body), names = names }
  return method .. " " .. url:gsub("[?#].*", "") .. " " .. fs.sha256(json.encode(clean))
end

-- Any bytes as UTF-8 and back: a body is recorded as JSON, which holds text alone.
local WIDEN, NARROW = {}, {}
for b = 0x80, 0xff do
  WIDEN[string.char(b)], NARROW[utf8.char(b)] = utf8.char(b), string.char(b)
end

local function widen(bytes) return (bytes:gsub("[\x80-\xff]", WIDEN)) end
local function narrow(text) return (text:gsub("[\xc2\xc3][\x80-\xbf]", NARROW)) end

-- The effect's body: status, headers, body as text | nil, message, code.
local function ask(request)
  local flight <close> = task.calling()
  local response <close>, message, code = core.request(request)
  if not response then return nil, message, code end
  local body
  body, message, code = responses.read_all(response)
  if not body then return nil, message, code end
  local headers = json.object {}
  for name, value in pairs(response.headers) do headers[widen(name)] = widen(value) end
  return response.status, headers, widen(body)
end

---Sends one request and waits for the whole reply, whatever its status.  Journaled: a resumed study
---does not ask again.  Never follows a redirect to another host with a body or headers (but Range).
---@param request {url: string, method: string?, headers: table?, body: string?, timeout: number?, connect_timeout: number?, idle_timeout: number?, max_bytes: number?}
---@return {status: integer, headers: table<string, string>, body: string}|nil response  header names in lower case
---@return string? message
---@return string? code  "EURL", "EHEADER", "EDNS", "ECONNECT", "ETLS", "ETIMEDOUT", "EIDLE", "ECUT", "ETOOBIG", "EPROTO", "ENOCURL"
function M.request(request)
  check(request)
  local lines, names = header_lines(request.headers)
  local method = request.method or (request.body and "POST" or "GET")
  local copy = { timeout = TIMEOUT, max_bytes = MAX_BYTES }
  for k, v in pairs(request) do copy[k] = v end
  copy.headers = lines
  local status, headers, body = task.effect("http", call_text(request, method, names), function() return ask(copy) end)
  if not status then return nil, headers, body end
  local out = {}
  for name, value in pairs(headers) do out[narrow(name)] = narrow(value) end
  return { status = status, headers = out, body = narrow(body) }
end

return M
