-- cli/env_fetch.lua - erlua env NAME --fetch: downloads the files that an environment's `inputs` name.

local host = require("erlua.core.host")
local fetch = require("erlua.fetch")
local inputs = require("erlua.env_inputs")
local text = require("erlua.text")

local HUB = "https://huggingface.co"
local DRAWN = 0.2                         -- seconds between two drawings of the line

-- The inputs of the preset, or of the only one that has some to fetch.
local function find(env, preset)
  if env.inputs and env.inputs.fetch then return env.inputs end
  local found
  for _, p in pairs(not preset and env.presets or {}) do
    if p.inputs and p.inputs.fetch then found = p.inputs end
  end
  if found then return found end
  return nil, ("the environment %s%s has nothing to fetch%s"):format(env.name, preset and ", preset " .. preset .. "," or "",
    env.inputs and env.inputs.get and ": " .. env.inputs.get or "")
end

-- A line that changes on a terminal, elsewhere one for each file that is done.
local function reporter()
  local width, drawn, from, began, i, n = host.terminal(), 0, nil, 0, 0, 0
  local say = {}
  function say.file(at, of, file, how)
    i, n, from = at, of, nil
    if how then
      host.progress(("erlua: %s, %s: %s (%d of %d)"):format(file.name, text.bytes(file.size), how, at, of))
    end
  end
  function say.bytes(file, at)
    local now = host.time()
    if not from then from, began, drawn = at, now, now end
    if not width or now - drawn < DRAWN then return end
    drawn = now
    local rate = (at - from) / math.max(now - began, 1e-3)
    local left = text.duration(rate > 0 and (file.size - at) / rate or math.huge)
    local line = ("%s  %s of %s  %s/s  %s left  (%d of %d)"):format(file.name, text.bytes(at), text.bytes(file.size),
      text.bytes(rate), left, i, n)
    host.status(text.cut(line, width - 1))
  end
  return say
end

---@param env erlua.env
---@param opt table  preset, shards, to, from
---@return integer exit_code
return function(env, opt)
  local wanted, message = find(env, opt.preset)
  if not wanted then
    host.report(message)
    return 1
  end
  local cache = inputs.cache()
  local dir = opt.to or cache and cache .. "/" .. wanted.folder
  if not dir then
    host.report("there is no place for what is fetched: use --to DIR, or set XDG_CACHE_HOME or HOME")
    return 1
  end
  local url = opt.from or host.getenv("HF_ENDPOINT") or HUB
  local what = wanted.fetch
  host.progress(("erlua: fetching %s from %s into %s"):format(what.dataset, text.clean(url), text.clean(dir)))
  local spec = { url = url:gsub("/+$", ""), dataset = what.dataset, files = what.files, most = opt.shards or what.most,
    dir = dir }
  local done, why = fetch.dataset(spec, reporter())
  if not done then
    host.report(text.clean(why))
    return 1
  end
  host.progress(("erlua: %s in %s, %s new (%s)"):format(text.count(done.files, "file"), text.clean(dir), done.fetched,
    text.bytes(done.bytes)))
  return 0
end
