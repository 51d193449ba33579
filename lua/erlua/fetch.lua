-- fetch.lua - files of a published data set: downloaded with resume, each checked against the digest that the server names.
-- A download in progress is NAME.part; only what has the right size and SHA-256 gets its name.

local http = require("erlua.core.http")
local fs = require("erlua.core.fs")
local json = require("erlua.json")
local responses = require("erlua.response")

local M = {}

local LONGEST = 30 * 86400                -- seconds a file may take; a server that says nothing for IDLE is given up sooner
local IDLE, CONNECT = 60, 30
local TRIES = 5                           -- without a byte of progress
local MOST_LISTED = 16 << 20

local AGAIN = { ECUT = true, EIDLE = true, ECONNECT = true, ETIMEDOUT = true, EDNS = true, EBUSY = true }

-- ---- what there is ----------------------------------------------------------------------

-- A status that is no success, as a message and a code.
local function refused(url, status)
  if status == 404 then return nil, url .. ": there is no such file on the server (404)", "ENOENT" end
  if status == 429 or status >= 500 then
    return nil, ("%s: the server is busy or broken (%d); try again later"):format(url, status), "EBUSY"
  end
  return nil, ("%s: the server answers %d"):format(url, status), "EHTTP"
end

-- The files in a data set's top folder: { name, size, digest }, by name.
local function list(spec)
  local url = ("%s/api/datasets/%s/tree/main"):format(spec.url, spec.dataset)
  local request = { url = url, max_bytes = MOST_LISTED, connect_timeout = CONNECT, idle_timeout = IDLE }
  local response <close>, message, code = http.request(request)
  if not response then return nil, message, code end
  if response.status ~= 200 then return refused(url, response.status) end
  local body
  body, message, code = responses.read_all(response)
  if not body then return nil, message, code end
  local rows = json.decode(body)
  if type(rows) ~= "table" then return nil, url .. ": the answer is no list of files", "format" end
  local out = {}
  for _, row in ipairs(rows) do
    local lfs = type(row) == "table" and row.lfs
    local digest = type(lfs) == "table" and tostring(lfs.oid):match("^%x+$")
    local sound = digest and #digest == 64 and math.type(lfs.size) == "integer" and lfs.size >= 0
    if sound and type(row.path) == "string" and fs.inside(row.path) then
      out[#out + 1] = { name = row.path, size = lfs.size, digest = digest:lower() }
    end
  end
  table.sort(out, function(a, b) return a.name < b.name end)
  return out
end

-- Of each glob the first `most` files.
local function choose(listed, spec)
  local out = {}
  for _, glob in ipairs(spec.files) do
    local n = 0
    for _, file in ipairs(listed) do
      if n < spec.most and not file.name:find("/", 1, true) and fs.glob(glob, file.name) then
        n = n + 1
        out[#out + 1] = file
      end
    end
    if n == 0 then
      return nil, ("the data set %s has no file %s with a published digest"):format(spec.dataset, glob), "ENOENT"
    end
  end
  return out
end

-- ---- one file ---------------------------------------------------------------------------

local function size_of(path)
  local f = io.open(path, "rb")
  if not f then return 0 end
  local n = f:seek("end")
  f:close()
  return n or 0
end

-- Adds what comes to the part; how many bytes it has then, also on failure.
local function append(response, path, from, file, say)
  local out, message = io.open(path, from > 0 and "ab" or "wb")
  if not out then return from, message, "EIO" end
  local _ <close> = out
  out:setvbuf("no")
  local at = from
  while true do
    local bytes, why, code = response:read()
    if not bytes then return at, why, code end
    local ok, problem = out:write(bytes)
    if not ok then
      return at, ("cannot write %s: %s. What came is kept: run it again when there is room"):format(path, problem), "EIO"
    end
    at = at + #bytes
    say(file, at)
  end
end

-- Asks for what is missing of the part and adds it; the part's size, and the message and code of a failure.
local function continue(url, path, file, say)
  local have = size_of(path)
  if have > file.size then fs.remove(path) have = 0 end
  if have == file.size then return have end
  local request = { url = url, max_bytes = file.size, connect_timeout = CONNECT, idle_timeout = IDLE, timeout = LONGEST,
    headers = have > 0 and { ("Range: bytes=%d-"):format(have) } or nil }
  local response <close>, message, code = http.request(request)
  if not response then return have, message, code end
  if response.status == 416 then
    return fs.remove(path) and 0 or have, url .. ": the server has less than was downloaded", "EBUSY"
  end
  if response.status ~= 200 and response.status ~= 206 then return have, select(2, refused(url, response.status)) end
  local from = 0                          -- a server without ranges sends all of it
  if response.status == 206 then
    from = math.tointeger(tonumber((response.headers["content-range"] or ""):match("^bytes (%d+)%-"))) or -1
    if from ~= have then return have, url .. ": the server sends another part than was asked for", "EPROTO" end
  end
  return append(response, path, from, file, say)
end

-- The whole part, however often the connection ends on the way.
local function download(url, path, file, say)
  local tries = 0
  while true do
    local before = size_of(path)
    local have, message, code = continue(url, path, file, say)
    if have == file.size then return true end
    message = message or ("%s ends after %d of %d bytes"):format(url, have, file.size)
    code = code or "ECUT"
    tries = have > before and 1 or tries + 1
    if not AGAIN[code] or tries >= TRIES then return nil, message, code end
    erlua.sleep(0.25 * 2 ^ tries)
  end
end

local function fetch_one(spec, file, say)
  local path = spec.dir .. "/" .. file.name
  local part = path .. ".part"
  if size_of(path) == file.size and fs.sha256_file(path) == file.digest then return "there" end
  local url = ("%s/datasets/%s/resolve/main/%s"):format(spec.url, spec.dataset, file.name)
  local ok, message, code = download(url, part, file, say)
  if not ok then return nil, message, code end
  local digest
  digest, message, code = fs.sha256_file(part)
  if not digest then return nil, message, code end
  if digest ~= file.digest then
    fs.remove(part)
    return nil, ("%s came with another digest than the server publishes (%s, not %s): it was deleted. Run it again; if that "
      .. "repeats, something between here and the server changes it"):format(file.name, digest:sub(1, 12), file.digest:sub(1, 12)), "digest"
  end
  ok, message, code = fs.rename(part, path)
  if not ok then return nil, message, code end
  return "fetched"
end

---Downloads files of a data set of Hugging Face, or of a server that speaks like it.
---@param spec {url: string, dataset: string, files: string[], most: integer, dir: string}  files: globs, of each the first `most`
---@param say? {file: fun(i: integer, n: integer, file: table, how: string?), bytes: fun(file: table, at: integer)}  progress
---@return {files: integer, fetched: integer, bytes: integer}|nil done
---@return string? message
---@return string? code  "ENOENT", "digest", "EBUSY", "EIO", or one of erlua.http
function M.dataset(spec, say)
  local listed, message, code = list(spec)
  if not listed then return nil, message, code end
  local files
  files, message, code = choose(listed, spec)
  if not files then return nil, message, code end
  local ok
  ok, message, code = fs.mkdirs(spec.dir)
  if not ok then return nil, message, code end
  local lock <close>, held, why = fs.lock(spec.dir .. "/.lock", "alone", "the folder " .. spec.dir .. " is being filled")
  if not lock then return nil, held, why end
  local done = { files = #files, fetched = 0, bytes = 0 }
  for i, file in ipairs(files) do
    if say then say.file(i, #files, file) end
    local how
    how, message, code = fetch_one(spec, file, say and say.bytes or function() end)
    if not how then return nil, message, code end
    if how == "fetched" then done.fetched, done.bytes = done.fetched + 1, done.bytes + file.size end
    if say then say.file(i, #files, file, how) end
  end
  return done
end

return M
