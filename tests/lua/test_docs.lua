-- The documents keep up with the program: every public name is in docs/api.md, every
-- page is linked from where a reader starts.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")

local function names_of(v, prefix, out, seen)
  local keys, set = {}, {}
  for k in next, v do set[k] = true end
  for k in next, (debug.getmetatable(v) or {}).__names or {} do set[k] = true end      -- loaded at first use
  for k in next, set do
    if type(k) == "string" and k:match("^%a") then keys[#keys + 1] = k end
  end
  table.sort(keys)
  for _, k in ipairs(keys) do
    local field = v[k]
    out[#out + 1] = prefix .. k
    if type(field) == "table" and not seen[field] and not debug.getmetatable(field) then
      seen[field] = true
      names_of(field, prefix .. k .. ".", out, seen)
    end
  end
  return out
end

local function exists(path) return (os.execute("test -e " .. t.quote(path))) == true end

-- Is the name in the page as a word of code, in full or as the end of a longer one?
local function mentioned(page, name)
  local last = name:match("[%w_]+$")
  for code in page:gmatch("`([^`]+)`") do
    if code:find(name, 1, true) then return true end
    if not name:find(".", 7, true) and code:match("^[%w_]*[.:]?" .. last .. "%f[^%w_]") then return true end
  end
  return page:find(name, 1, true) ~= nil
end

t.test("every public name of erlua is in docs/api.md", function()
  local page = t.ok(t.read(t.source .. "/docs/api.md"), "docs/api.md is there")
  local erlua = require("erlua")
  local names = names_of(erlua, "erlua.", {}, { [erlua] = true })
  t.ok(#names > 10, "the erlua table has names")
  local missing = {}
  for _, name in ipairs(names) do
    if not mentioned(page, name) then missing[#missing + 1] = name end
  end
  t.eq(missing, {})
end)

t.test("every method of a study, an environment, a job and a workspace is in docs/api.md", function()
  local page = t.ok(t.read(t.source .. "/docs/api.md"))
  local missing = {}
  for _, module in ipairs { "study", "env", "trial", "ideas" } do
    local source = t.read(t.source .. "/lua/erlua/" .. module .. ".lua") or ""
    for method in source:gmatch("\nfunction %u%w*:([%a][%w_]*)%(") do
      if not page:find("[.:]" .. method .. "%f[^%w_]") then missing[#missing + 1] = module .. ":" .. method end
    end
  end
  t.eq(missing, {})
end)

t.test("every page under docs is linked from README.md or docs/architecture.md", function()
  local start = t.ok(t.read(t.source .. "/README.md"), "README.md is there") .. (t.read(t.source .. "/docs/architecture.md") or "")
  local pipe = assert(io.popen("cd " .. t.quote(t.source) .. " && find docs -name '*.md' | sort"))
  local unlinked, n = {}, 0
  for path in pipe:lines() do
    n = n + 1
    local base = path:match("[^/]*$")
    if not start:find("(" .. path .. ")", 1, true) and not start:find("(" .. base .. ")", 1, true) then unlinked[#unlinked + 1] = path end
  end
  pipe:close()
  t.ok(n >= 2, "the documents are found")
  t.eq(unlinked, {})
end)

t.test("every link between the documents leads to a file", function()
  local pipe = assert(io.popen("cd " .. t.quote(t.source) .. " && find README.md docs -name '*.md'"))
  local dead, n = {}, 0
  for path in pipe:lines() do
    n = n + 1
    local folder = path:match("^(.*/)[^/]*$") or ""
    for target in t.read(t.source .. "/" .. path):gmatch("%]%(([^)#%s]+)#?[^)]*%)") do
      if not target:match("^%a+:") and not exists(t.source .. "/" .. folder .. target) then
        dead[#dead + 1] = path .. " -> " .. target
      end
    end
  end
  pipe:close()
  t.ok(n >= 2, "the documents are found")
  t.eq(dead, {})
end)

return t
