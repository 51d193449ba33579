-- llm/spec.lua - "provider:model@URL#key_env=NAME" taken apart.  The provider ends at the
-- first ":", the URL starts at the last "@http"; model names may hold both signs.
-- Nothing is read from the environment here: see llm/key.lua.

local text = require("erlua.text")

local M = {}

local PROVIDERS = {
  anthropic = { base = "https://api.anthropic.com", host = "api.anthropic.com", key_env = "ANTHROPIC_API_KEY" },
  openai = { base = "https://api.openai.com/v1", host = "api.openai.com", key_env = "OPENAI_API_KEY" },
}
local BUILTIN = { mutate = true }
local KNOWN = { "anthropic", "openai", "builtin" }
local PORTS = { http = "80", https = "443" }

local function wrong(what, ...) return nil, string.format(what, ...), "spec" end

local function shown(s) return text.cut(text.clean(s), 100) end

-- scheme, host, port and the rest of a URL, or why it is none.
local function take_url(url)
  if url:find("[%c%s\x7f-\xff]") then
    return wrong("the URL %s holds a character that a URL cannot hold, such as a space", shown(url))
  end
  local scheme, authority, path = url:match("^(%a+)://([^/?#]*)(.*)$")
  scheme = scheme and scheme:lower()
  if not PORTS[scheme] then
    return wrong("%s is no URL: one starts with http:// or https://, as http://127.0.0.1:8000/v1", shown(url))
  end
  if authority:find("@", 1, true) then
    return wrong("the URL %s://…@… holds a user or a password, which would be shown; "
      .. "name a variable that holds the key by key_env", scheme)
  end
  for name in path:lower():gmatch("[?&]([^=&#]+)=") do
    if name:find("key$") or name:find("token$") or name:find("secret") then
      return wrong("the URL of %s holds '%s=…', which would be shown; name a variable that holds the key by key_env",
        authority, name)
    end
  end
  local host, port = authority:match("^(%[[%x:.]+%]):?(%d*)$")
  if not host then host, port = authority:match("^([^:]+):?(%d*)$") end
  if not host then return wrong("the URL %s names no host", shown(url)) end
  if port == "" then port = PORTS[scheme] end
  if tonumber(port) < 1 or tonumber(port) > 65535 then
    return wrong("the URL %s has the port %s; ports go from 1 to 65535", shown(url), port)
  end
  return { scheme = scheme, host = host:lower(), port = port, path = path }
end

-- The provider's own host over TLS, or one of its regions: the only one that gets the default key.
local function is_own(p, u)
  return u.scheme == "https" and (u.host == p.host or u.host:sub(-#p.host - 1) == "." .. p.host)
end

local function key_name(name)
  if type(name) == "string" and name:match("^[%a_][%w_]*$") then return name end
  local given = tostring(name)
  local is_key = #given > 30 or given:find("^sk%-")        -- not to be shown
  return wrong("key_env names the variable that holds the key, as MY_KEY; %s is no such name", is_key and "what is given" or shown(given))
end

local function unknown(spec, provider)
  local near = text.nearest(provider:lower(), KNOWN)
  local hint = near and ("did you mean " .. near .. ":…?")
    or "use anthropic:MODEL, openai:MODEL, openai:MODEL@http://host:8000/v1 for other servers, or builtin:mutate"
  return wrong("%s: there is no provider '%s'; %s", shown(spec), shown(provider), hint)
end

-- "MODEL@URL#key_env=NAME" -> name, url, key_env; false behind them if the tail is not understood.
local function parts(rest)
  local key_env
  local before, tail = rest:match("^(.*)#([%w_]+=[^#]*)$")
  if before then
    key_env = tail:match("^key_env=(.*)$")
    if not key_env then return nil, tail end
    rest = before
  end
  local at = rest:find("@https?://[^@]*$") or rest:find("@[Hh][Tt][Tt][Pp][Ss]?:[^@]*$")
  for i in rest:gmatch("()@[Hh][Tt][Tt][Pp][Ss]?://") do at = i end
  if at then return rest:sub(1, at - 1), rest:sub(at + 1), key_env end
  return rest, nil, key_env
end

local function builtin(spec, name)
  if BUILTIN[name] then return { provider = "builtin", name = name, spec = spec } end
  return wrong("%s: the built-in model is builtin:mutate", shown(spec))
end

---@param spec string
---@param options? {base_url: string?, key_env: string?}
---@return {provider: string, name: string, spec: string, base: string, host: string, endpoint: string, own: boolean,
---  key_env: string?}|nil model
---@return string? message
---@return string? code
function M.parse(spec, options)
  options = options or {}
  if type(spec) ~= "string" then return wrong("a model is named by a text such as anthropic:MODEL, not by a %s", type(spec)) end
  local provider, rest = spec:match("^%s*([^:]*):(.*)$")
  if not provider then
    return wrong("%s names no provider: write provider:model, as anthropic:MODEL or builtin:mutate", shown(spec))
  end
  rest = rest:gsub("%s+$", "")
  if provider == "builtin" then return builtin(spec, rest) end
  local p = PROVIDERS[provider]
  if not p then return unknown(spec, provider) end
  local name, url, key_env = parts(rest)
  if not name then return wrong("%s: '%s' is not understood; what may follow # is key_env=NAME", shown(spec), shown(url)) end
  if name == "" then return wrong("%s names no model: write %s:MODEL", shown(spec), provider) end
  if name:find("[%c\x80-\xff]") then return wrong("%s: a model's name is plain text", shown(spec)) end
  if name:find("://", 1, true) then return wrong("%s: a URL behind @ starts with http:// or https://", shown(spec)) end
  local base = url or options.base_url or p.base
  if type(base) ~= "string" then return wrong("base_url is a text, not a %s", type(base)) end
  local u, message = take_url(base)
  if not u then return nil, message, "spec" end
  local own = is_own(p, u)
  key_env = key_env or options.key_env
  if key_env ~= nil then
    key_env, message = key_name(key_env)
    if not key_env then return nil, message, "spec" end
  end
  return { provider = provider, name = name, spec = spec, base = base, host = u.host, own = own,
    endpoint = u.scheme .. "://" .. u.host .. ":" .. u.port, key_env = key_env or own and p.key_env or nil }
end

---The URL of a provider's method: `base` may be the server, its /v1, or the method's own URL.
---@param base string
---@param method string  "chat/completions"
---@return string
function M.url(base, method)
  local path, query = base:match("^([^?#]*)(%??[^#]*)")
  path = path:gsub("/+$", "")
  if path:sub(-#method - 1) == "/" .. method then return path .. query end
  if path:match("^%a+://[^/]*$") or method == "messages" and not path:match("/v%d+$") then path = path .. "/v1" end
  return path .. "/" .. method .. query
end

return M
