-- cli/find.lua - which study a command means: a folder, a study.db, or the only one here.

local host = require("erlua.core.host")
local fs = require("erlua.core.fs")
local text = require("erlua.text")
local files = require("erlua.study_files")
local pages = require("erlua.page")

local M = {}

---The folders below ./studies that hold a study.
---@return string[]
function M.here()
  local out = {}
  for _, name in ipairs(fs.list("studies") or {}) do
    if fs.exists("studies/" .. name .. "/study.db") then out[#out + 1] = "studies/" .. name end
  end
  return out
end

local function row_of(dir)
  local found, message = files.read(dir)
  if not found then return { pages.path(dir), "?", "", "", message } end
  local n = found.store:query("totals")[1]
  found.store:close()
  return { pages.path(dir), found.row.state, tostring(n.n), text.number(n.best), found.row.script }
end

local COLUMNS = { { title = "study" }, { title = "state" }, { title = "trials", side = "left", drop = 2 },
  { title = "best", side = "left" }, { title = "script", flex = true, drop = 1 } }

-- Several, or none: the caller must say which.
local function ask(list, usage)
  host.report((#list == 0 and "there is no study below ./studies here; name one"
    or "which study? name one of those below ./studies")
    .. "\n" .. usage:match("^[^\n]*"))
  if #list == 0 then return end
  local page, rows = pages.new(), {}
  for i, dir in ipairs(list) do rows[i] = row_of(dir) end
  page:grid(COLUMNS, rows)
  page:print()
end

---Runs fn on a study that is open, and closes it; a damaged file is an error of the
---world, not one of ours.
---@param found table
---@param fn fun(found: table): integer
---@return integer exit_code
function M.using(found, fn)
  local ok, code = pcall(fn, found)
  found.store:close()
  if ok then return code end
  host.report(tostring(code))
  return 1
end

---Opens a study to read it; no lock is needed, and a search may be writing it meanwhile.
---@param name? string  without one, the only study below ./studies
---@param usage string
---@return table|nil found  { dir, store, row, options }
---@return integer? exit_code
function M.study(name, usage)
  if not name then
    local list = M.here()
    if #list ~= 1 then
      ask(list, usage)
      return nil, 2
    end
    name = list[1]
  end
  local found, message = files.read((name:gsub("(.)/+$", "%1")))
  if found then return found end
  host.report(message)
  return nil, 1
end

return M
