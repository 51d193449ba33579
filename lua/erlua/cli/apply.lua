-- cli/apply.lua - erlua apply: a model's reply onto a folder, all of it or nothing.

local host = require("erlua.core.host")
local fs = require("erlua.core.fs")
local patch = require("erlua.core.patch")
local json = require("erlua.json")
local environments = require("erlua.env")
local sorted = require("erlua.lists").keys

local usage = [==[
usage: erlua apply [options] DIR REPLY

Finds the change in a model's reply (unified diffs, search/replace blocks,
whole files, `*** Begin Patch`, with any prose around them) and applies it to
the files below DIR, all of it or nothing. REPLY is a file; - is standard input.

  --env NAME|DIR    what may change is said by this environment
  --editable GLOB   files that may change; repeatable; without it and --env, all
  --region MARKER   only lines between MARKER-START and MARKER-END may change
  --check           say what would be done and change nothing
  --json            the result as JSON on standard output

Exit code 0: applied. 1: refused, nothing has changed; the reason is fit to be
sent back to the model. 2: wrong usage.
]==]

local MAX_REPLY, MAX_FILE = 4 << 20, 4 << 20
local too_long            -- stands for the text of a file that is too long to be changed

local function misuse(message)
  host.report("apply: " .. message .. " (see erlua apply --help)")
  return 2
end

local VALUED = { ["--env"] = true, ["--editable"] = true, ["--region"] = true }
local FLAGS = { ["--check"] = "check", ["--json"] = "json" }

local function set(opt, name, value)
  if name == "--editable" then
    opt.editable = opt.editable or {}
    table.insert(opt.editable, value)
  elseif opt[name:sub(3)] then
    return name .. " was given twice"
  else
    opt[name:sub(3)] = value
  end
end

-- The options and the two positional arguments, or nil and what is wrong.
local function parse(argv)
  local opt, i, only_names, wrong = { names = {} }, 1, false, nil
  while i <= #argv and not wrong do
    local arg = argv[i]
    local name, value = arg:match("^(%-%-[%w-]+)=(.*)$")
    name = name or arg
    if only_names or arg == "-" or arg:sub(1, 1) ~= "-" then
      table.insert(opt.names, arg)
    elseif arg == "--" then
      only_names = true
    elseif FLAGS[arg] then
      opt[FLAGS[arg]] = true
    elseif VALUED[name] then
      if not value then i, value = i + 1, argv[i + 1] end
      wrong = (value == nil or value == "") and name .. " wants a value" or set(opt, name, value)
    else
      wrong = "unknown option " .. arg
    end
    i = i + 1
  end
  if wrong then return nil, wrong end
  if #opt.names ~= 2 then return nil, "wants a folder and a reply, got " .. #opt.names .. " of the two" end
  if opt.env and (opt.editable or opt.region) then
    return nil, "--env already says what may change; leave out --editable and --region"
  end
  return opt
end

-- git's own folder and the like are no part of what a reply may change.
local function with_git_frozen(frozen)
  local out = { ".git/**", "**/.git/**" }
  table.move(frozen or {}, 1, #(frozen or {}), #out + 1, out)
  return out
end

local function base_name(dir) return (fs.realpath(dir) or dir):match("([^/]+)/*$") end

local function rules_of(opt, dir)
  if not opt.env then
    return { editable = opt.editable or { "**" }, frozen = with_git_frozen(), region = opt.region, folder = base_name(dir) }
  end
  local env, message = environments.load(opt.env, { inputs = "none" })
  if not env then return nil, message end
  local frozen = with_git_frozen(env.rules.frozen)
  table.insert(frozen, "env.lua")
  return { editable = env.rules.editable, frozen = frozen, region = env.rules.region, folder = env.rules.folder }
end

local function any(globs, path)
  for _, glob in ipairs(globs) do
    if fs.glob(glob, path) then return true end
  end
  return false
end

-- {path = bytes}: of files that may not change the name is enough.
local function read_folder(dir, rules)
  local list, message, code = fs.walk(dir)
  if not list then return nil, message, code end
  local files, links = {}, {}
  for _, f in ipairs(list) do
    local bytes = ""
    if f.kind ~= "f" then
      links[f.path] = true
    elseif any(rules.editable, f.path) and not any(rules.frozen, f.path) then
      if f.size > MAX_FILE then
        too_long = too_long or (" "):rep(MAX_FILE + 1)
        bytes = too_long
      else
        bytes, message, code = fs.read(dir .. "/" .. f.path, MAX_FILE)
        if not bytes then return nil, message, code end
      end
    end
    files[f.path] = bytes
  end
  return files, links
end

local function read_reply(name)
  if name == "-" then return host.stdin() end
  return fs.read(name, MAX_REPLY + 1)
end

local function describe(files, changes)
  local out = {}
  for _, path in ipairs(sorted(changes)) do
    local before, after = files[path], changes[path] or nil
    local _, added, removed = patch.diff({ [path] = before }, { [path] = after })
    out[#out + 1] = { path = fs.clean(path), change = not after and "delete" or before and "modify" or "create",
      added = added, removed = removed }
  end
  return out
end

local function print_json(result)
  for _, b in ipairs(result.blocks) do
    if b.path then b.path = fs.clean(b.path) end
  end
  result.message = result.message and fs.clean(result.message)
  host.out(json.encode(result) .. "\n")
end

local function refuse(opt, message, code, blocks)
  if opt.json then print_json { applied = false, code = code, message = message, files = {}, blocks = blocks or {} } end
  host.report(message)
  return 1
end

-- Blocks that were found in these ways need no word.
local PLAIN = { exact = true, whole = true, quoted = true }

local function accept(opt, files, blocks)
  if opt.json then
    print_json { applied = not opt.check, check = opt.check or nil, files = files, blocks = blocks }
    return 0
  end
  local lines = { (opt.check and "would apply " or "applied ") .. #blocks .. (#blocks == 1 and " block" or " blocks") .. ":" }
  for _, f in ipairs(files) do
    lines[#lines + 1] = string.format("  %s %s  +%d -%d", f.change, f.path, f.added, f.removed)
  end
  for i, b in ipairs(blocks) do
    if not PLAIN[b.rung] then
      lines[#lines + 1] = string.format("  block %d was found at %s:%d by %s, similarity %.3f", i, fs.clean(b.path),
        b.line, b.rung, b.similarity)
    end
  end
  host.out(table.concat(lines, "\n") .. "\n")
  return 0
end

-- The path itself, or a folder above it, if that is a link.
local function link_in(path, links)
  local at = 0
  while at do
    at = path:find("/", at + 1, true)
    local part = path:sub(1, (at or 0) - 1)
    if links[part] then return part end
  end
end

-- A link may lead anywhere, so none is written through, and none is read.
local function through_link(blocks, changes, links)
  local link
  for _, b in ipairs(blocks) do link = link or b.path and link_in(b.path, links) end
  for path in pairs(changes or {}) do link = link or link_in(path, links) end
  return link and "`" .. fs.clean(link) .. "` is a link or a special file; only regular files are changed"
end

return function(argv)
  if argv[1] == "--help" or argv[1] == "-h" then
    host.out(usage)
    return 0
  end
  local opt, wrong = parse(argv)
  if not opt then return misuse(wrong) end
  local dir, name = opt.names[1], opt.names[2]
  local rules, message, code = rules_of(opt, dir)
  if not rules then return refuse(opt, message, "EINVAL") end
  local files, links
  files, links, code = read_folder(dir, rules)
  if not files then return refuse(opt, links, code) end
  local reply
  reply, message, code = read_reply(name)
  if not reply then return refuse(opt, message, code) end

  local changes, a, b, c = patch.apply(files, rules, reply)
  local blocks = changes and a or c
  local link = through_link(blocks, changes, links)
  if link then return refuse(opt, link, "bad_path", blocks) end
  if not changes then return refuse(opt, a, b, blocks) end
  local list = describe(files, changes)
  if not opt.check then
    local ok
    ok, message, code = patch.write(dir, changes)
    if not ok then return refuse(opt, message, code, blocks) end
  end
  return accept(opt, list, blocks)
end
