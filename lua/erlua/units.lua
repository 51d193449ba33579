-- units.lua - "25m", "0.5s", "64G": times and sizes as people write them in env.lua.

local M = {}

local SECONDS = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 }
local BYTES = { [""] = 1, B = 1, K = 1 << 10, M = 1 << 20, G = 1 << 30, T = 1 << 40 }

-- A number that a limit can be: neither negative nor endless nor no number at all.
local function usable(v, what)
  if v ~= v or v < 0 or v > 1e15 then return nil, "must be " .. what .. " from 0 up, not " .. tostring(v) end
  return v
end

---@param v number|string  seconds, or "1h30m", "0.5s", "20ms"
---@return number|nil seconds
---@return string? message
function M.seconds(v)
  if type(v) == "number" then return usable(v, "a time in seconds") end
  if type(v) ~= "string" or v == "" then return nil, "is not a time such as \"25m\" or 1500 (seconds)" end
  local total, rest = 0, v
  while rest ~= "" do
    local number, unit, after = rest:match("^(%d+%.?%d*)(%a+)(.*)$")
    if not SECONDS[unit or ""] then return nil, "is not a time such as \"25m\", \"1h30m\" or \"0.5s\": " .. v end
    total, rest = total + tonumber(number) * SECONDS[unit], after
  end
  return usable(total, "a time")
end

---@param v number|string  bytes, or "512M", "64G"
---@return integer|nil bytes
---@return string? message
function M.bytes(v)
  local n, message = v, nil
  if type(v) ~= "number" then
    local number, unit = tostring(v):match("^(%d+%.?%d*)([BKMGT]?)i?B?$")
    if not number then return nil, "is not a size such as \"512M\" or \"64G\": " .. tostring(v) end
    n = tonumber(number) * BYTES[unit]
  end
  n, message = usable(n, "a number of bytes")
  return n and math.floor(n), message
end

return M
