-- Clean diffs are taken as git takes them, all of them, and git takes ours.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local patch = require("erlua.patch")
local rng = require("erlua.core.rng")

local ALL = { editable = { "**" } }

-- Git as it comes, whatever whoever runs the tests has told it; outside of any repository.
local NOBODY = { HOME = "/nonexistent", XDG_CONFIG_HOME = "/nonexistent", GIT_CONFIG_NOSYSTEM = "1", GIT_CEILING_DIRECTORIES = "/" }

local function git(...)
  local r = t.run({ "git", "-c", "core.quotepath=off", "-c", "core.autocrlf=false", "-c", "core.safecrlf=false", ... }, { timeout = 300 })
  return r.code, r.out, r.err
end

local function needs_git()
  if t.run({ "sh", "-c", "command -v git" }).code ~= 0 then t.skip("there is no git") end
end

local function needs_history()
  needs_git()
  local code, out = git("-C", t.source, "rev-list", "--count", "HEAD")
  if code ~= 0 or tonumber(out) < 4 then t.skip("there is no history: the source is no clone of the repository") end
end

-- The files of `before` with the changes made.
local function changed(before, changes)
  local after = {}
  for path, bytes in pairs(before) do after[path] = bytes end
  for path, bytes in pairs(changes) do after[path] = bytes or nil end
  return after
end

local function applied(before, diff, note)
  local changes, message, code = patch.apply(before, diff, ALL)
  if not changes then error(string.format("%s: %s: %s", note, code, message), 0) end
  return changed(before, changes)
end

-- Text files alone: a binary one is refused, which is another test's matter.  Leaves out of all trees what is binary
-- in one of them; the pathspecs that make git do the same.
local function texts(list)
  local binary, specs = {}, {}
  for _, tree in ipairs(list) do
    for path, bytes in pairs(tree.files) do
      if bytes:find("\0", 1, true) then binary[path] = true end
    end
  end
  for path in pairs(binary) do
    specs[#specs + 1] = ":(exclude,literal)" .. path
    for _, tree in ipairs(list) do tree.files[path] = nil end
  end
  return specs
end

-- Every step-th commit, newest first, as { rev, files }.
local function commits(most)
  local _, out = git("-C", t.source, "rev-list", "--no-merges", "HEAD")
  local all, list = {}, {}
  for rev in out:gmatch("%x+") do all[#all + 1] = rev end
  for i = 1, #all, math.max(1, #all // most) do
    local dir = t.tmpdir()
    t.eq(t.run({ "sh", "-c", 'git -C "$1" archive "$2" | tar -x -C "$3"', "sh", t.source, all[i], dir }).code, 0)
    list[#list + 1] = { rev = all[i], dir = dir, files = assert(patch.read(dir)) }
  end
  return list
end

t.test("diffs between the commits of the project's history give the other commit, whole and file by file", function()
  needs_history()
  local list, whole, single = commits(5), 0, 0
  local specs = texts(list)
  for i, a in ipairs(list) do
    for j, b in ipairs(list) do
      if i ~= j then
        local note = a.rev:sub(1, 8) .. ".." .. b.rev:sub(1, 8)
        local code, diff = git("-C", t.source, "diff", "--no-color", "--no-ext-diff", (i + j) % 2 == 0 and "-M" or "--no-renames", a.rev, b.rev,
          "--", ".", table.unpack(specs))
        t.eq(code, 0)
        t.eq(applied(a.files, diff, note), b.files, note)
        whole = whole + 1
        local from = 1
        while from do
          local to = diff:find("\ndiff --git ", from, true)
          local one = diff:sub(from, to or #diff)
          local after = applied(a.files, one, note .. ": " .. one:match("[^\n]*"))
          for path, bytes in pairs(after) do
            if bytes ~= a.files[path] then t.eq(bytes, b.files[path], note .. ": " .. path) end
          end
          single, from = single + 1, to and to + 1
        end
      end
    end
  end
  t.ok(whole >= 6 and single > whole, whole .. " diffs of trees, " .. single .. " of files")
end)

-- ---- made-up trees, with everything that a diff has a word for ----

local LINES = { "", "a", "b", "local x = 1", "end", "-- x", "++ y", "@@ -1 +1 @@", "--- a/f0", "+++ b/f0", "\\ No newline at end of file",
  "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE", "```", "*** Begin Patch", "\tif", "caf\u{e9}", "a\r", "diff --git a/x b/x", "rename from x" }

local function line_of(random) return LINES[random:int(random:unit() < 0.5 and 5 or #LINES)] end

local function text_of(random)
  local lines = {}
  for i = 1, random:int(30) do lines[i] = line_of(random) .. (random:unit() < 0.05 and "\r\n" or "\n") end
  local text = table.concat(lines)
  return random:unit() < 0.2 and text:sub(1, -2) or text
end

local function edited(random, text)
  local out = text:gsub("[^\n]*\n?", function(line)
    local u = random:unit()
    if line == "" or u > 0.15 then return line end
    return u < 0.05 and "" or u < 0.1 and line_of(random) .. "\n" or line .. line_of(random) .. "\n"
  end)
  return random:unit() < 0.1 and out:sub(1, -2) or out
end

local NAMES = { "f0", "f1", "dir/f2", "dir/sub/f3", "with space", "dir/b c d", 'quo"te', "back\\slash", "t\195\164st", "x.lua", "-dash", "a/b/f" }

-- Backslashes are no path of erlua's: such a file is left out.
local function tree_of(random)
  local files = {}
  for _, name in ipairs(NAMES) do
    if not name:find("\\", 1, true) and random:unit() < 0.6 then files[name] = text_of(random) end
  end
  return files
end

local function next_tree(random, before)
  local after = tree_of(random)
  for path, bytes in pairs(before) do
    local u = random:unit()
    if u < 0.6 then after[path] = edited(random, bytes)
    elseif u < 0.8 then after[path] = bytes
    else after[path] = nil end
  end
  return after
end

local function put(files)
  local dir = t.tmpdir()
  for path, bytes in pairs(files) do t.write(dir .. "/" .. path, bytes) end
  return dir
end

t.test("git's diff of any two trees gives the other tree: new, deleted, renamed, without a last newline, with CRLF", function()
  needs_git()
  local random = rng.new(1, "git diffs")
  for n = 1, 60 do
    local a = tree_of(random)
    local b = next_tree(random, a)
    local dir = t.tmpdir()
    for path, bytes in pairs(a) do t.write(dir .. "/a/" .. path, bytes) end
    for path, bytes in pairs(b) do t.write(dir .. "/b/" .. path, bytes) end
    t.eq(t.run({ "mkdir", "-p", dir .. "/a", dir .. "/b" }).code, 0)
    local r = t.run({ "git", "-c", "core.quotepath=" .. (n % 2 == 0 and "on" or "off"), "diff", "--no-index", "--no-prefix",
      n % 3 == 0 and "--no-renames" or "-M", "-U" .. 1 + n % 4, "a", "b" }, { cwd = dir, env = NOBODY })
    -- With --no-prefix the folders take the place of git's own a/ and b/.
    if r.out ~= "" then t.eq(applied(a, r.out, "tree " .. n), b, "tree " .. n) end
  end
end)

t.test("git apply makes of our diffs what they stand for", function()
  needs_git()
  local random = rng.new(2, "our diffs")
  for n = 1, 60 do
    local a = tree_of(random)
    local b = next_tree(random, a)
    local diff = patch.diff(a, b)
    t.eq(diff == "" and a or applied(a, diff, "tree " .. n), b, "tree " .. n)
    if diff ~= "" then
      local dir = put(a)
      t.write(dir .. ".diff", diff)
      local r = t.run({ "git", "apply", "--whitespace=nowarn", dir .. ".diff" }, { cwd = dir, env = NOBODY })
      t.eq({ r.code, r.err }, { 0, "" }, "tree " .. n .. "\n" .. diff)
      t.eq(assert(patch.read(dir)), b, "tree " .. n)
      os.remove(dir .. ".diff")
    end
  end
end)

t.test("two folders can be compared by their paths", function()
  local a, b = { ["x.lua"] = "1\n2\n", ["d/y"] = "y\n" }, { ["x.lua"] = "1\n3\n", ["new"] = "n" }
  local diff, added, removed = patch.diff(put(a), put(b))
  t.eq({ diff, added, removed }, { patch.diff(a, b) })
  t.eq({ added, removed }, { 2, 2 })
  t.eq(patch.diff(put(a), put(b)), patch.diff(a, b))
  t.eq(patch.diff(put(a), put(a)), "")
end)

t.test("a folder that is not there is said, and a folder beside a table is a mistake", function()
  local missing = t.tmpdir() .. "/none"
  local diff, message, code = patch.diff(missing, missing)
  t.eq({ diff, code }, { nil, "ENOENT" })
  t.match(message, "none")
  t.raises(function() patch.diff({}, t.tmpdir()) end, "two tables")
  t.raises(function() patch.diff(1, 2) end, "two tables")
end)

return t
