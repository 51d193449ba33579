-- lists.lua - what several modules do with tables.

local M = {}

---The keys of a table whose keys are strings, in byte order.
---@param t table<string, any>
---@return string[]
function M.keys(t)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys)
  return keys
end

return M
