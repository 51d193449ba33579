-- cli/main.lua - a sub-command is the module of its name: a function of its arguments
-- that returns the exit code.

local host = require("erlua.core.host")

local name = ...
local argv = { select(2, ...) }
local code = require("erlua.cli." .. name)(argv)
host.status("")
return code or 0
