-- The include rule of the floor plan: includes go downward only, rooms on one floor
-- do not see each other, and Lua stays behind engine/lua and main.c.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")

local BELOW = {
  base = {},
  loop = { "base" },
  store = { "base" },
  patch = { "base" },
  job = { "base", "loop" },
  tensor = { "base" },
  model = { "base", "tensor" },
  lua = { "base", "loop", "store", "patch", "job", "tensor", "model" },
  ["main.c"] = { "base", "loop", "store", "patch", "job", "tensor", "model", "lua" },
}

-- Every C file under engine/: { path = "job/slots.c", room = "job", includes = {…}, text = … }.
local function sources()
  local out = {}
  local pipe = assert(io.popen("cd " .. t.quote(t.source .. "/engine") .. " && find . -name '*.[ch]' | sort"))
  for path in pipe:lines() do
    path = path:gsub("^%./", "")
    local file = { path = path, room = path:match("^([^/]+)"), includes = {} }
    for line in (t.read(t.source .. "/engine/" .. path) .. "\n"):gmatch("(.-)\n") do
      local quoted, angled = line:match('^%s*#%s*include%s*"([^"]+)"'), line:match("^%s*#%s*include%s*<([^>]+)>")
      if quoted or angled then file.includes[#file.includes + 1] = { name = quoted or angled, own = quoted ~= nil } end
    end
    out[#out + 1] = file
  end
  pipe:close()
  return out
end

local function allowed(room, target)
  if room == target then return true end
  for _, below in ipairs(BELOW[room]) do
    if below == target then return true end
  end
  return false
end

t.test("every folder under engine/ has a place in the floor plan", function()
  local files, unknown = sources(), {}
  t.ok(#files > 10, "the sources are found")
  for _, file in ipairs(files) do
    if not BELOW[file.room] then unknown[#unknown + 1] = file.path end
  end
  t.eq(unknown, {})
end)

t.test("includes name a room and go to the same room or a lower floor", function()
  local wrong = {}
  for _, file in ipairs(sources()) do
    for _, include in ipairs(file.includes) do
      local target = include.own and include.name:match("^([^/]+)/")
      if include.own and not target then
        wrong[#wrong + 1] = file.path .. " includes \"" .. include.name .. "\" without its room"
      elseif target and BELOW[file.room] and not allowed(file.room, target) then
        wrong[#wrong + 1] = file.path .. " includes " .. include.name
      end
    end
  end
  t.eq(wrong, {})
end)

t.test("only engine/lua and main.c include Lua's headers", function()
  local wrong = {}
  for _, file in ipairs(sources()) do
    for _, include in ipairs(file.includes) do
      local lua = include.name:match("lua%.h$") or include.name:match("lualib%.h$") or include.name:match("lauxlib%.h$")
      if lua and file.room ~= "lua" and file.room ~= "main.c" then wrong[#wrong + 1] = file.path end
    end
  end
  t.eq(wrong, {})
end)

t.test("a library's headers are included by the room that wraps it and nowhere else", function()
  local owner = { ["uv.h"] = "loop", ["curl/curl.h"] = "loop", ["sqlite3.h"] = "store", ["editline/readline.h"] = "lua", ["openssl/sha.h"] = "base",
    ["openssl/evp.h"] = "base", ["dnnl.h"] = "tensor" }
  local wrong = {}
  for _, file in ipairs(sources()) do
    for _, include in ipairs(file.includes) do
      local room = not include.own and owner[include.name]
      if room and room ~= file.room then wrong[#wrong + 1] = file.path .. " includes <" .. include.name .. ">" end
    end
  end
  t.eq(wrong, {})
end)

t.test("every C file opens with a comment that names it", function()
  local wrong = {}
  for _, file in ipairs(sources()) do
    local base = file.path:match("[^/]*$")
    local first = t.read(t.source .. "/engine/" .. file.path):match("^[^\n]*")
    if first:sub(1, #base + 6) ~= "/* " .. base .. " - " then wrong[#wrong + 1] = file.path end
  end
  t.eq(wrong, {})
end)

return t
