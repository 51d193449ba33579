-- json.lua - JSON with sorted keys and numbers that read back the same.
return require("erlua.core.json")
