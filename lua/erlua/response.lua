-- response.lua - what the two users of erlua.core.http do alike with a reply.

local M = {}

---The whole body of a reply.
---@param response userdata  of erlua.core.http
---@return string|nil body
---@return string? message
---@return string? code
function M.read_all(response)
  local parts = {}
  while true do
    local bytes, message, code = response:read()
    if not bytes then return not message and table.concat(parts) or nil, message, code end
    parts[#parts + 1] = bytes
  end
end

return M
