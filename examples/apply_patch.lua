-- Applies a model's reply to a set of files, and prints what has changed or why it was refused.

local files = { ["greet.lua"] = "local name = 'you'\nprint('hello, ' .. name)\n" }
local reply = [[
I would greet everyone:

greet.lua
<<<<<<< SEARCH
local name = 'you'
=======
local name = arg[1] or 'everyone'
>>>>>>> REPLACE
]]

local changes, message, code = erlua.patch.apply(files, reply, { editable = { "*.lua" } })
if not changes then error(code .. ": " .. message, 0) end
local diff, added, removed = erlua.patch.diff(files, changes)
print(diff .. added .. " line added, " .. removed .. " removed")
