-- data.lua - frozen: cuts the text $ERLUA_TEXT into train.bin and val.bin in $ERLUA_OUT, shards of bytes as tokens.
-- erlua runs it once for a text, before a search. No training sees the text or val.bin.

local T, data = erlua.tensor, erlua.data

local BLOCK, BLOCK_LEAST = 64 * 1024, 1024
local EVERY = 40                          -- of so many blocks the last is held out, so that all parts of a text are
local BLOCKS_LEAST = 2 * EVERY

local function fail(...)
  io.stderr:write("data.lua: ", string.format(...), "\n")
  os.exit(1)
end

-- Smaller blocks for a text of a few megabytes.
local function block_size(bytes)
  local size = BLOCK
  while size > BLOCK_LEAST and bytes < BLOCKS_LEAST * size do size = size // 2 end
  if bytes < BLOCKS_LEAST * size then fail("the text has %d bytes; it needs %d at least", bytes, BLOCKS_LEAST * size) end
  return size
end

local function write(path, pieces)
  local ids = T.frombuffer(table.concat(pieces), "u8"):to("u16")
  local ok, message = data.write_shard(path, ids)
  if not ok then fail("%s", message) end
end

local out = os.getenv("ERLUA_OUT") or fail("ERLUA_OUT names no folder for the shards")
local file = assert(io.open(os.getenv("ERLUA_TEXT") or fail("ERLUA_TEXT names no text"), "rb"))
local text = file:read("a")
local size = block_size(#text)
local train, held_out, n = {}, {}, 0
for at = 1, #text, size do
  n = n + 1
  local pieces = n % EVERY == 0 and held_out or train
  pieces[#pieces + 1] = text:sub(at, at + size - 1)
end
write(out .. "/train.bin", train)
write(out .. "/val.bin", held_out)
