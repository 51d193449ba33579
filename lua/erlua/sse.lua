-- sse.lua - server-sent events out of bytes that come in pieces of any size.
-- Lines end in LF, CRLF or CR; a BOM, comments and unknown fields are skipped.

local M = {}

local LIMIT = 16 << 20         -- bytes of one event: a bound, not a size anyone means to send

local Reader = {}
Reader.__index = Reader

---@param on_event fun(name: string|nil, data: string, id: string|nil)  the id is the event's own: none is carried over
---@param limit? integer  bytes of one event (16 MB)
---@return table reader  with :feed(bytes) and :finish()
function M.reader(on_event, limit)
  return setmetatable({ on_event = on_event, limit = limit or LIMIT, pieces = {}, held = 0, size = 0, start = true }, Reader)
end

-- A field of the event that is being read.  `error:` is llama.cpp's way to end a stream.
local function field(self, name, value)
  if name == "data" then
    self.size = self.size + #value + 1
    local data = self.data
    if data == nil then self.data = value
    elseif type(data) == "table" then data[#data + 1] = value
    else self.data = { data, value } end
  elseif name == "event" then
    self.name = value
  elseif name == "id" and not value:find("\0", 1, true) then
    self.id = value
  elseif name == "error" then
    self.name, self.data = "error", value
  end
end

local function dispatch(self)
  local data = self.data
  if type(data) == "table" then data = table.concat(data, "\n") end
  local name, id = self.name, self.id
  self.data, self.name, self.id, self.size = nil, nil, nil, 0
  if data and not self.over then self.on_event(name, data, id) end
end

local function line(self, s)
  if s == "" then return dispatch(self) end
  if s:sub(1, 6) == "data: " then return field(self, "data", s:sub(7)) end
  local name, value = s:match("^([^:]*):? ?(.*)$")
  if name ~= "" then field(self, name, value) end
end

-- The lines between two line feeds: more than one only if single CRs end lines too.
local function lines(self, s)
  if s:byte(-1) == 13 then s = s:sub(1, -2) end
  if not s:find("\r", 1, true) then return line(self, s) end
  for part in (s .. "\r"):gmatch("([^\r]*)\r") do line(self, part) end
end

-- Keeps the start of a line until its end comes; pieces are joined once.
local function hold(self, s)
  if s == "" then return end
  self.pieces[#self.pieces + 1] = s
  self.held = self.held + #s
end

local function take(self, s)
  if self.held == 0 then return s end
  self.pieces[#self.pieces + 1] = s
  s = table.concat(self.pieces)
  self.pieces, self.held = {}, 0
  return s
end

-- In a stream whose lines end in CR alone no line feed ever comes.  The last CR stays:
-- a line feed behind it would belong to it.
local function carriage_returns(self, rest)
  local last = rest:find("\r[^\r]*$")
  if not last then return rest end
  if last == #rest then last = rest:sub(1, -2):find("\r[^\r]*$") end
  if not last then return rest end
  lines(self, take(self, rest:sub(1, last)))
  return rest:sub(last + 1)
end

local function without_mark(self, s)
  if #s < 3 and ("\u{FEFF}"):sub(1, #s) == s then return nil end
  self.start = false
  return s:sub(1, 3) == "\u{FEFF}" and s:sub(4) or s
end

---Takes the next bytes; events that are complete are handed out before it returns.
---@param bytes string
---@return boolean|nil ok
---@return string? message
---@return string? code
function Reader:feed(bytes)
  if self.start then
    bytes = take(self, bytes)
    local s = without_mark(self, bytes)
    if not s then hold(self, bytes) return true end
    bytes = s
  end
  local from = 1
  while true do
    local to = bytes:find("\n", from, true)
    if not to then break end
    lines(self, take(self, bytes:sub(from, to - 1)))
    from = to + 1
  end
  local rest = from == 1 and bytes or bytes:sub(from)
  if rest:find("\r", 1, true) then rest = carriage_returns(self, rest) end
  hold(self, rest)
  if self.held + self.size > self.limit then
    return nil, string.format("an event of the stream is over %d bytes", self.limit), "ETOOBIG"
  end
  return true
end

---The stream has ended in order.  Servers forget the empty line behind the last event,
---and the end of its line too; a line that was cut in the middle is dropped.
function Reader:finish()
  local rest = take(self, "")
  if rest:find("[]}\r]$") then lines(self, rest) end
  dispatch(self)
end

---No event is handed out from now on.
function Reader:stop() self.over = true end

return M
