-- session.lua - what this program was asked to do: its script, its options, and
-- whether it goes on with a study that was there before.

local host = require("erlua.core.host")
local fs = require("erlua.core.fs")

local M = {
  script = nil,          -- { name, base, source }
  argv = nil,            -- arguments of the script
  given = {},            -- which options the command line set
  declared = {},         -- what the script declared
  options = nil,         -- see below
  opened = nil,          -- { dir, store, options, ... }: the study that resume or replay chose
}

local function script_name()
  local args = host.args()
  return args[1] ~= "-e" and args[1] or nil
end

---Reads a script as main.c finds it: by its path, else below erlua's own lua/.
---@param name string
---@return {name: string, base: string, source: string}|nil script
---@return string? message
---@return string? code
function M.read_script(name)
  local source = fs.exists(name) and not fs.is_dir(name) and fs.read(name) or fs.own("lua/" .. name)
  if not source then return nil, "there is no script '" .. name .. "' here, nor in erlua's own lua/", "ENOENT" end
  return { name = name, base = name:match("([^/]+)%.lua$") or name:match("[^/]+$"), source = source }
end

---The running script; code of -e and the prompt is called "repl".
function M.running()
  if not M.script then
    local name = script_name()
    M.script = name and M.read_script(name) or { name = "repl", base = "repl", source = "" }
  end
  return M.script
end

local function arguments()
  if M.argv then return M.argv end
  local out, args = {}, host.args()
  if args[1] and args[1] ~= "-e" then table.move(args, 2, #args, 1, out) end
  return out
end

local function read(declared)
  local options = require("erlua.options")
  local script = M.running()
  local opt, given, code = options.parse(declared, arguments(), {
    script = script.name, script_comment = options.leading_comment(script.source), width = host.terminal(1) })
  if opt then return opt, given end
  if code == "help" then
    host.out(given .. (given:sub(-1) == "\n" and "" or "\n"))
    host.exit(0)
  end
  host.report(given .. " (see --help)")
  host.exit(2)
end

---Declares a script's options and reads them from the command line: types follow the
---defaults, --help explains them, a wrong command line ends the program with exit code 2.
---A resumed study gets the options that it was started with.
---@param declared table<string, any>  name = default, or {default, "help"}, or {type=, help=, choices=}
---@return table opt
function M.options(declared)
  local opt, given = read(declared)
  M.given, M.declared = given, declared
  if M.opened then
    for name, value in pairs(M.opened.options) do
      if not given[name] then opt[name] = value end
    end
  end
  return opt
end

---Runs a script as if it had been started by its path, with these arguments.
---@param script {name: string, base: string, source: string}
---@param argv string[]
---@return integer exit_code
function M.run(script, argv)
  local chunk, message = load(script.source, "@" .. script.name, "t")
  if not chunk then
    host.report(message)
    return 1
  end
  M.script, M.argv = script, argv
  host.set_script(script.name)
  chunk(table.unpack(argv))
  return 0
end

return M
