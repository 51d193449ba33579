-- restricted.lua - Lua that can only compute: for small functions, and for a model that an idea has written.

local box = require("erlua.core.box")
local core = require("erlua.core.restricted")
local fs = require("erlua.core.fs")

local M = {}

---Given a text: runs it in a box, whose values cross as copies (env.lua, a reward).
---
---Given a table: runs a model in a state with tensors, nn and `safetensors.load` of files in `folder`. New tensors are
---zeroed there, batches go in as copies, and only logits come out, as f32 of exactly the shape that was asked for.
---  state:call(name, text)      -> true | nil, message, code
---  state:logits(ids, vocabulary) -> tensor | nil, message, code   (codes: error memory time shape value)
---  state:losses(ids, targets, vocabulary) -> losses | nil, message, code   of which not even logits come out
---  state:used()                -> { seconds = CPU, numbers = of the files it loaded, text = bytes of their headers }
---  state:close()
---@param what string|{source: string, name: string, folder: string?, memory: number?, tensors: number?, seconds: number?, seed: integer?}
---@param name? string  of the chunk; for a text only, as are the next two
---@param memory? integer  bytes
---@param steps? integer
---@return userdata|nil state
---@return string? message
---@return string? code
function M.open(what, name, memory, steps)
  if type(what) == "table" then return core.open(what) end
  return box.new(what, name, memory, steps)
end

---The loss of each target in nats, computed in f64. A row of logits that is not finite has NaN.
---@param logits erlua.tensor  floats, (windows, positions, vocabulary)
---@param targets erlua.tensor  i32, (windows, positions)
---@return erlua.losses
function M.losses(logits, targets) return core.losses(logits, targets) end

---A seed that only somebody knows who knows all of the texts: of probes that an idea must not foresee.
---@param ... string
---@return integer  0 to 2^48 - 1
function M.seed(...)
  local digests = {}
  for i, text in ipairs { ... } do digests[i] = fs.sha256(text) end
  return tonumber(fs.sha256(table.concat(digests)):sub(1, 12), 16)
end

return M
