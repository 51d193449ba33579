-- scale.lua - the study's environment at another scale, to see whether its ideas hold there too: with
-- another preset, "small", or on another text, "text:FILE".

local core = require("erlua.core.study")
local envs = require("erlua.env")
local snapshot = require("erlua.study_snapshot")
local sorted = require("erlua.lists").keys
local text = require("erlua.text")

local M = {}

local TEXT = "^text:(.+)$"

-- The options of that environment, or what is wrong with the name.
local function options_of(env, opt, scale)
  local file = scale:match(TEXT)
  local out = { preset = not file and scale or env.preset, text = file or opt.text, sandbox = opt.sandbox, slots = opt.slots }
  if not file and not env.presets[scale] then
    return nil, "the environment " .. env.name .. " has no preset '" .. scale .. "'"
      .. (env.inputs and env.inputs.text and " (another text is text:FILE)" or "") .. text.instead(scale, sorted(env.presets))
  end
  return out
end

---For a study that begins: what that environment has besides the study's own files.
---@param env erlua.env
---@param opt table  the study's options
---@return table<string, {source: string, digest: string, size: integer}>|nil big  its large files
---@return string? message
function M.find(env, opt)
  local options, message = options_of(env, opt, opt.generalize)
  if not options then return nil, message end
  local other
  other, message = envs.load(opt.env, options)
  return other and other.big, message
end

local function load(study, scale)
  local options, message = options_of(study.env, study.opt, scale)
  if not options then return nil, message end
  local big = scale == study.opt.generalize and snapshot.big(study.store, "scale") or study.env.big
  if scale:find(TEXT) and big == study.env.big then
    return nil, "only --generalize " .. scale .. " brings another text"
  end
  local env
  env, message = envs.from_files(study.env.files, big, { preset = options.preset, where = study.env.where })
  if not env or study.how == "replayed" then return env, message end
  local ok
  ok, message = snapshot.check_big(env, core.state() == "off" and options or nil)
  if not ok then return nil, message end
  return env
end

---The environment of a study at another scale, from the files that the study keeps.  Asked for before the study is attached,
---large files that have gone are made again; later that would be an effect which only this machine's cache calls for.
---@param study erlua.study
---@param scale string
---@return erlua.env|nil env
---@return string? message
function M.env(study, scale)
  study.scales = study.scales or {}
  local env, message = study.scales[scale], nil
  if not env then env, message = load(study, scale) end
  study.scales[scale] = env
  return env, message
end

---"with preset small", "on the text FILE".
---@param scale string
---@return string
function M.words(scale)
  local file = scale:match(TEXT)
  return file and "on the text " .. file or "with preset " .. scale
end

return M
