-- similar.lua - is this idea one that was there before?  Two texts are near-duplicates if
-- most runs of three words are the same in both and the numbers in them are the same:
-- equal words with other numbers are another idea.  What a question costs does not grow
-- with the number of texts: those worth comparing are found by MinHash and banding.

local M = {}

local Index = {}
Index.__index = Index

local ALIKE = 0.7              -- shared runs / all runs of the two, from which on they are the same
local WORDS = 400              -- of a text that count
local BANDS, ROWS = 8, 4       -- a pair at ALIKE meets in a bucket with a chance of 89 %, one at 0.8 of 98 %
local CROWD = 16               -- texts of one bucket that are compared: the latest

local MASK = 0xffffffff

local function mix(h)
  h = (h ~ (h >> 16)) * 0x45d9f3b & MASK
  h = (h ~ (h >> 13)) * 0x3335b369 & MASK
  return h ~ (h >> 16)
end

local SALTS = {}
for i = 1, BANDS * ROWS do SALTS[i] = mix(i * 0x9e3779b9 & MASK) end

local function hash_of(word)
  local h = 0x811c9dc5
  for i = 1, #word do h = (h ~ word:byte(i)) * 0x01000193 & MASK end
  return h
end

-- Hashes of the words in their order, and the numbers in order of size, as one text.
local function read(text)
  local words, numbers = {}, {}
  for token in text:lower():gmatch("[%w_\x80-\xff]+[.%w_\x80-\xff]*") do
    if #words + #numbers >= WORDS then break end
    local number = tonumber(token) or tonumber((token:gsub("%.$", "")))
    if number then numbers[#numbers + 1] = number + 0.0
    else words[#words + 1] = hash_of((token:gsub("%.+$", ""))) end
  end
  table.sort(numbers)
  for i, v in ipairs(numbers) do numbers[i] = string.format("%.9g", v) end
  return words, table.concat(numbers, " ")
end

-- The distinct runs of three words, as hashes in ascending order.
local function runs_of(words)
  local out, seen = {}, {}
  for i = 1, math.max(#words - 2, 1) do
    local h = mix((words[i] or 0) * 31 + (words[i + 1] or 0) * 17 + (words[i + 2] or 0) & MASK)
    if not seen[h] then
      seen[h] = true
      out[#out + 1] = h
    end
  end
  table.sort(out)
  return out
end

-- The keys of the buckets that the text belongs to.  In the innermost loop stands what mix does.
local function buckets_of(runs, numbers)
  local keys, salt = {}, hash_of(numbers)
  for band = 1, BANDS do
    local key = salt + band
    for row = 1, ROWS do
      local s, least = SALTS[(band - 1) * ROWS + row], MASK
      for i = 1, #runs do
        local x = runs[i] ~ s
        x = (x ~ (x >> 16)) * 0x45d9f3b & MASK
        x = (x ~ (x >> 13)) * 0x3335b369 & MASK
        x = x ~ (x >> 16)
        if x < least then least = x end
      end
      key = key * 0x100000001b3 ~ least
    end
    keys[band] = key
  end
  return keys
end

local function same_share(a, packed)
  local i, j, shared, n = 1, 1, 0, #packed // 4
  local b = n > 0 and string.unpack("<I4", packed) or nil
  while i <= #a and j <= n do
    local x = a[i]
    if x == b then shared = shared + 1 end
    if x <= b then i = i + 1 end
    if x >= b then
      j = j + 1
      if j <= n then b = string.unpack("<I4", packed, 4 * j - 3) end
    end
  end
  return shared / (#a + n - shared)
end

---An empty collection of texts.
function M.new() return setmetatable({ buckets = {}, texts = {} }, Index) end

local function prepare(text)
  local words, numbers = read(text)
  local runs = runs_of(words)
  return { runs = runs, keys = buckets_of(runs, numbers), numbers = numbers }
end

---The text that this one nearly repeats.
---@param text string
---@return any|nil id  as it was added; nil if there is none
---@return table prepared  to be handed to add, which then need not read the text again
function Index:find(text)
  local p = prepare(text)
  local seen, best, share = {}, nil, ALIKE
  for _, key in ipairs(p.keys) do
    for _, n in ipairs(self.buckets[key] or {}) do
      local other = self.texts[n]
      if not seen[n] and other.numbers == p.numbers then
        local s = same_share(p.runs, other.packed)
        if s > share or (s == share and not best) then best, share = other.id, s end
      end
      seen[n] = true
    end
  end
  return best, p
end

---@param text string
---@param id any  what find returns for a text like this one
---@param prepared? table  from find
function Index:add(text, id, prepared)
  local p = prepared or prepare(text)
  local n, bytes = #self.texts + 1, {}
  for i, h in ipairs(p.runs) do bytes[i] = string.pack("<I4", h) end
  self.texts[n] = { id = id, numbers = p.numbers, packed = table.concat(bytes) }
  for _, key in ipairs(p.keys) do
    local bucket = self.buckets[key] or {}
    if #bucket >= CROWD then table.remove(bucket, 1) end
    bucket[#bucket + 1] = n
    self.buckets[key] = bucket
  end
end

return M
