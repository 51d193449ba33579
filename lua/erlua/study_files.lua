-- study_files.lua - where a study lives: finding, creating and matching it.

local fs = require("erlua.core.fs")
local core = require("erlua.core.study")
local json = require("erlua.json")
local snapshot = require("erlua.study_snapshot")

local M = {}

-- Options that do not make a study another one.
local FREE = { slots = true, json = true, study = true, new = true }
-- Those that may change in a study's life, and are kept for `erlua resume`.
local LOOSE = { budget = true, patience = true, concurrency = true, rpm = true, tpm = true }

local function kept(opt)
  local out = {}
  for name, v in pairs(opt) do
    if not FREE[name] then out[name] = v end
  end
  return json.encode(json.object(out))
end

---Opens the study file of a folder; the path may also be the file itself.
---@return table|nil found  { dir, store, row, options }
function M.read(dir, mode)
  dir = dir:gsub("/study%.db$", "")
  local store, message, code = core.open(dir .. "/study.db", mode or "read")
  if not store then return nil, message, code end
  local rows
  rows, message, code = store:query("study")
  if not rows then return nil, message, code end
  if not rows[1] then return nil, dir .. "/study.db holds no study; it was created and never begun, and can be removed", "empty" end
  return { dir = fs.realpath(dir), store = store, row = rows[1], options = json.decode(rows[1].options) }
end

---Options that a study began with and that are others now, for people; not those that may change.
---@return string[]
function M.other_options(found, opt)
  local out, names = {}, {}
  for name in pairs(found.options) do names[name] = true end
  for name in pairs(opt) do names[name] = true end
  for name in pairs(names) do
    local a, b = found.options[name], opt[name]
    if not FREE[name] and not LOOSE[name] and a ~= b and not (name == "epochs" and a and b and b > a) then
      out[#out + 1] = string.format("--%s was %s, is %s", name:gsub("_", "-"), tostring(a), tostring(b))
    end
  end
  return out
end

-- What differs between a study on disk and the one asked for, for people.
local function differences(found, want)
  local out = {}
  if found.row.script_digest ~= want.script_digest then out[#out + 1] = "the script " .. want.script.name .. " has changed" end
  if found.row.env_digest ~= want.env.digest then out[#out + 1] = "the environment " .. want.env.name .. " has changed" end
  local options = M.other_options(found, want.opt)
  return table.move(options, 1, #options, #out + 1, out)
end

local function raised(found, want)
  return found.options.epochs and want.opt.epochs and want.opt.epochs > found.options.epochs
end

local function candidates(base)
  local out = {}
  for _, name in ipairs(fs.list("studies") or {}) do
    local n = name == base and 1 or tonumber(name:sub(1, #base + 1) == base .. "-" and name:sub(#base + 2) or nil)
    if n and fs.exists("studies/" .. name .. "/study.db") then out[#out + 1] = { name = name, n = n } end
  end
  table.sort(out, function(a, b) return a.n > b.n end)
  return out
end

local function next_free(base)
  local n, name = 1, base
  while fs.exists("studies/" .. name) do
    n = n + 1
    name = base .. "-" .. n
  end
  return "studies/" .. name
end

---Which folder a run of this script, environment and options belongs to.
---@return string|nil dir
---@return string|table what  "new", "resume", "finished", or the message
---@return string? code
function M.choose(want)
  local opt = want.opt
  if opt.study then
    if not fs.exists(opt.study .. "/study.db") then return opt.study, "new" end
    local found, message, code = M.read(opt.study)
    if not found and code == "empty" then return opt.study, "new" end
    if not found then return nil, message, code end
    local d = differences(found, want)
    found.store:close()
    if #d > 0 then
      return nil, "the study in " .. opt.study .. " is another one: " .. table.concat(d, "; ")
        .. ". Choose another --study, or `erlua resume` to go on with it as it was", "different"
    end
    return opt.study, (found.row.state == "finished" and not raised(found, want)) and "finished" or "resume"
  end
  local base = want.script.base .. "-" .. want.env.name
  if not opt.new then
    for _, c in ipairs(candidates(base)) do
      local found = M.read("studies/" .. c.name)
      local same = found and #differences(found, want) == 0
      local open = found and (found.row.state ~= "finished" or raised(found, want))
      if found then found.store:close() end
      if same and open then return "studies/" .. c.name, "resume" end
    end
  end
  return next_free(base), "new"
end

---The user's own modules that the script has required so far: name -> source.
function M.modules()
  local out = {}
  for name in pairs(package.loaded) do
    local path = not name:match("^erlua") and package.searchpath(name, package.path)
    if path then out[name] = fs.read(path) end
  end
  return out
end

---One digest for the script and its modules.
function M.script_digest(script, modules)
  local lines = { fs.sha256(script.source) }
  for name, source in pairs(modules) do lines[#lines + 1] = name .. " " .. fs.sha256(source) end
  return #lines == 1 and lines[1] or fs.sha256(table.concat(lines, "\n"))
end

---Makes the folder and the file of a new study.
function M.create(dir, want, now)
  local ok, message, code = fs.mkdirs(dir)
  if not ok then return nil, message, code end
  ok, message, code = core.lock(dir)
  if not ok then return nil, message, code end
  local store
  store, message, code = core.open(dir .. "/study.db", "create")
  if not store then return nil, message, code end
  want.name = dir:match("([^/]+)/*$")
  want.options = kept(want.opt)
  ok, message, code = snapshot.write(store, want, now)
  if not ok then
    store:close()
    fs.remove(dir .. "/study.db")
    return nil, message, code
  end
  return store
end

---Keeps options that may change in a study's life: the number of epochs, budgets.
function M.keep_options(store, opt) return store:change("studies", { id = 1, options = kept(opt) }) end

---Does the study keep other values of these options than it is given now?
function M.options_changed(found, opt)
  for name in pairs(LOOSE) do
    if found.options[name] ~= opt[name] then return true end
  end
  return raised(found, { opt = opt })
end

return M
