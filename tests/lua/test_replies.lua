-- The table of replies: what models write, and what must come of it.
-- tests/lua/replies/<category>.lua returns a list of cases, each plain data:
--
--   name     a sentence, unlike that of any other case
--   files    { path = text }, the environment before
--   rules    { editable =, frozen =, region =, folder = }; without it every file is editable
--   reply    the model's text
--   gives    { path = new text, or false for a deleted file }: exactly what must change; or
--   refused  the code of the refusal, with
--   says     a piece of its message, or a list of them (plain text, no patterns)
--   blocks   optional: what some fields of each block's report must be

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local patch = require("erlua.core.patch")

local folder = t.source .. "/tests/lua/replies"
local FIELDS = { name = true, files = true, rules = true, reply = true, gives = true, refused = true, says = true, blocks = true }

local function categories()
  local out = {}
  local pipe = assert(io.popen("ls " .. t.quote(folder)))
  for name in pipe:lines() do
    if name:match("%.lua$") then out[#out + 1] = name:sub(1, -5) end
  end
  pipe:close()
  table.sort(out)
  return out
end

local function check_form(case)
  for key in pairs(case) do
    if not FIELDS[key] then error("case '" .. tostring(case.name) .. "' has an unknown field " .. tostring(key)) end
  end
  if (case.gives == nil) == (case.refused == nil) then error("case '" .. case.name .. "' needs either gives or refused") end
  if case.refused and not case.says then error("case '" .. case.name .. "' does not say what the message must hold") end
end

local function copy(files)
  local out = {}
  for path, text in pairs(files) do out[path] = text end
  return out
end

local function check_blocks(want, blocks)
  t.eq(#blocks, #want, "number of blocks")
  for i, fields in ipairs(want) do
    for key, value in pairs(fields) do t.eq(blocks[i][key], value, "block " .. i .. ", " .. key) end
  end
end

local function check_refusal(case, message, code)
  t.eq(code, case.refused, message)
  for _, piece in ipairs(type(case.says) == "table" and case.says or { case.says }) do
    if not message:find(piece, 1, true) then t.eq(message, "…" .. piece .. "…", "the message") end
  end
end

local function run(case)
  local files = copy(case.files)
  local changes, a, b, c = patch.apply(files, case.rules or { editable = { "**" } }, case.reply)
  t.eq(files, case.files, "the files given")
  if case.refused then
    t.eq(changes, nil, "refused as " .. case.refused)
    check_refusal(case, a, b)
  else
    if not changes then error("refused (" .. b .. "): " .. a, 0) end
    t.eq(changes, case.gives)
  end
  if case.blocks then check_blocks(case.blocks, changes and a or c) end
end

-- What a reply asks for, without the words around it: two cases with the same one test the same.
local function essence(case)
  local parts = { case.reply, "\0", case.refused or "" }
  local paths = {}
  for path in pairs(case.files) do paths[#paths + 1] = path end
  table.sort(paths)
  for _, path in ipairs(paths) do parts[#parts + 1] = path .. "\0" .. case.files[path] end
  for _, key in ipairs { "region", "folder" } do parts[#parts + 1] = case.rules and case.rules[key] or "\0" end
  for _, key in ipairs { "editable", "frozen" } do parts[#parts + 1] = table.concat(case.rules and case.rules[key] or {}, "\0") end
  return table.concat(parts, "\1")
end

local seen, accepted, total = {}, {}, 0
for _, category in ipairs(categories()) do
  for _, case in ipairs(dofile(folder .. "/" .. category .. ".lua")) do
    check_form(case)
    local key = essence(case)
    if seen[key] then error("'" .. case.name .. "' is the same case as '" .. seen[key] .. "'") end
    seen[key] = case.name
    total = total + 1
    if case.gives then accepted[#accepted + 1] = case end
    t.test(category .. ": " .. case.name, function() run(case) end)
  end
end

local function same_changes(a, b)
  for path, text in pairs(a) do if b[path] ~= text then return false end end
  for path in pairs(b) do if a[path] == nil then return false end end
  return true
end

-- Cut anywhere: the fences, markers and tags around one block show whether it is whole.  (A bare unified
-- diff has none of them, and a file that holds fences ends at the first of them.)
local function check_cuts(case, rules)
  for n = 0, #case.reply - 1 do
    local changes = patch.apply(case.files, rules, case.reply:sub(1, n))
    if changes and not same_changes(changes, case.gives) then error("'" .. case.name .. "' half applied when cut to\n" .. case.reply:sub(1, n) .. "|", 0) end
  end
end

t.test("a reply of one block, cut anywhere, is refused or whole", function()
  local checked = 0
  for _, case in ipairs(accepted) do
    local rules = case.rules or { editable = { "**" } }
    local _, blocks = patch.apply(case.files, rules, case.reply)
    local text = table.concat { case.gives[blocks[1].path] or "", case.files[blocks[1].path] or "" }
    if #blocks == 1 and blocks[1].form ~= "udiff" and not text:find("```", 1, true) and #case.reply < 2000 then
      check_cuts(case, rules)
      checked = checked + 1
    end
  end
  t.ok(checked > 40, checked .. " cases")
end)

t.test("the table holds at least 120 cases", function() t.ok(total >= 120, total .. " cases") end)

return t
