-- data_shards.lua - batches from shards of tokens, in order or drawn at random, for one process of several.

local core = require("erlua.core.model")
local fs = require("erlua.core.fs")

local Loader = {}
Loader.__index = Loader

local MOST_ROWS = 1 << 20                     -- of a batch, as the engine has it

local FIELDS = { batch = 1, length = 1, seed = math.mininteger, rank = 0, world = 1, vocab = 1 }     -- the least of each

-- ---- options and files ------------------------------------------------------------------

local function check(options)
  if type(options) ~= "table" then error("data.shards: the second argument is a table with batch and length", 3) end
  for name, value in pairs(options) do
    local least = FIELDS[name]
    if not least then error("data.shards: there is no option '" .. tostring(name) .. "'", 3) end
    if math.type(value) ~= "integer" or value < least then
      error(("data.shards: option '%s' must be a whole number%s, got %s"):format(name,
        least > math.mininteger and " of at least " .. least or "", tostring(value)), 3)
    end
  end
  if not options.batch or not options.length then error("data.shards: needs the options batch and length", 3) end
  if options.batch > MOST_ROWS then error(("data.shards: a batch has at most %d rows"):format(MOST_ROWS), 3) end
  local rank, world = options.rank or 0, options.world or 1
  if rank >= world then error(("data.shards: rank %d of a world of %d; ranks count from 0"):format(rank, world), 3) end
end

-- The files that a glob means, sorted by name; a path without a star is itself.
local function expand(pattern)
  if type(pattern) ~= "string" or not pattern:find("[*?%[{]") or fs.exists(pattern) then return { pattern } end
  local dir, name = pattern:match("^(.*/)([^/]*)$")
  dir, name = dir or "./", name or pattern
  local found, names = {}, fs.list(dir)
  for _, file in ipairs(names or {}) do
    if fs.glob(name, file) then found[#found + 1] = dir .. file end
  end
  if #found == 0 then return nil, "no shard matches " .. pattern, "ENOENT" end
  return found
end

local function open_all(files)
  local out = {}
  for _, pattern in ipairs(type(files) == "table" and files or { files }) do
    local paths, message, code = expand(pattern)
    if not paths then return nil, message, code end
    for _, path in ipairs(paths) do
      local shard
      shard, message, code = core.shard(path)
      if not shard then return nil, message, code end
      out[#out + 1] = shard
    end
  end
  if #out == 0 then return nil, "no shards were given", "ENOENT" end
  return out
end

-- ---- where a row is ------------------------------------------------------------------------

-- Places are counted through all shards: in order, a place is a window; at random, the first token of one.
local function count_places(self)
  self.places, self.tokens = 0, 0
  for i, shard in ipairs(self.shards) do
    self.before[i] = self.places
    self.tokens = self.tokens + #shard
    self.places = self.places + math.max(self.seed and #shard - self.length or (#shard - 1) // self.length, 0)
  end
  self.before[#self.shards + 1] = self.places
end

-- The shard that holds a place, by halving.
local function shard_of(self, place)
  local low, high = 1, #self.shards
  while low < high do
    local middle = (low + high + 1) // 2
    if self.before[middle] <= place then low = middle else high = middle - 1 end
  end
  return low
end

-- The place of row number `row` since the beginning, over all ranks.
local function place_of(self, row)
  if self.seed then return core.draw(self.seed, row, self.places) end
  return row % self.places
end

---The next batch: i32 tensors (batch, length), the targets one token further.
---@return erlua.tensor|nil inputs
---@return erlua.tensor|string targets  or the message: an id outside of the vocabulary, a file that was cut
---@return string? code
function Loader:next()
  local rows, first = {}, (self.step * self.world + self.rank) * self.batch
  for i = 0, self.batch - 1 do
    local place = place_of(self, first + i)
    local shard = shard_of(self, place)
    place = place - self.before[shard]
    rows[2 * i + 1], rows[2 * i + 2] = shard, self.seed and place or place * self.length
  end
  local inputs, targets, code = core.batch(self.shards, rows, self.length, self.vocab)
  if not inputs then return nil, targets, code end
  self.step = self.step + 1
  return inputs, targets
end

-- ---- going on where it was -------------------------------------------------------------------

local KEPT = { "batch", "length", "seed", "rank", "world", "tokens" }

---Where the loader is: a plain table, with a JSON form.
---@return table
function Loader:state()
  local out = { step = self.step }
  for _, name in ipairs(KEPT) do out[name] = self[name] end
  return out
end

---Goes on where another loader of the same shards and options was.
---@param state table
function Loader:restore(state)
  if type(state) ~= "table" then error("loader:restore: a state is a table, got " .. type(state), 2) end
  for _, name in ipairs(KEPT) do
    if state[name] ~= self[name] then
      error(("loader:restore: the state is of a loader with %s = %s, this one has %s"):format(name, tostring(state[name]),
        tostring(self[name])), 2)
    end
  end
  if math.type(state.step) ~= "integer" or state.step < 0 then error("loader:restore: the state has no step", 2) end
  self.step = state.step
end

local M = {}

function M.open(files, options)
  check(options)
  local opened, message, code = open_all(files)
  if not opened then return nil, message, code end
  local self = setmetatable({ shards = opened, before = {}, step = 0, batch = options.batch, length = options.length,
    seed = options.seed, rank = options.rank or 0, world = options.world or 1, vocab = options.vocab }, Loader)
  count_places(self)
  if self.places == 0 then
    return nil, ("no shard holds a window of %d tokens and the one behind it; there are %d tokens in all"):format(
      self.length, self.tokens), "range"
  end
  self.windows = self.seed and self.tokens // self.length or self.places
  return self
end

return M
