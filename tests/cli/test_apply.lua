-- erlua apply: exit codes, and a folder that changes wholly or not at all.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local json = require("erlua.json")

local REPLY = "Sure:\nx.lua\n```lua\n<<<<<<< SEARCH\nb\n=======\nB\nB2\n>>>>>>> REPLACE\n```\nlib/new.lua\n```\nreturn 1\n```\n"

local function folder()
  local dir = t.tmpdir()
  t.write(dir .. "/x.lua", "a\nb\nc\n")
  t.write(dir .. "/lib/y.lua", "y\n")
  return dir
end

local function apply(dir, reply, ...)
  local argv = { t.erlua, "apply", ... }
  argv[#argv + 1], argv[#argv + 2] = dir, "-"
  return t.run(argv, { stdin = reply })
end

local function tree(dir)
  local pipe = io.popen("cd " .. t.quote(dir) .. " && find . -type f | sort && cat x.lua lib/y.lua")
  local text = pipe:read("a")
  pipe:close()
  return text
end

local function refused(dir, reply, pattern, ...)
  local before = tree(dir)
  local r = apply(dir, reply, ...)
  t.eq(r.code, 1)
  t.match(r.err, pattern)
  t.eq(tree(dir), before, "the folder")
  return r
end

t.test("a reply is applied and summed up", function()
  local dir = folder()
  local r = apply(dir, REPLY)
  t.eq({ r.code, r.err }, { 0, "" })
  t.eq(r.out, "applied 2 blocks:\n  create lib/new.lua  +1 -0\n  modify x.lua  +2 -1\n")
  t.eq(t.read(dir .. "/x.lua"), "a\nB\nB2\nc\n")
  t.eq(t.read(dir .. "/lib/new.lua"), "return 1\n")
end)

t.test("a block that is not exact is told of", function()
  local dir = folder()
  t.write(dir .. "/x.lua", "if a then\n    b()\nend\n")
  local r = apply(dir, "x.lua\n<<<<<<< SEARCH\n  b()\n=======\n  c()\n>>>>>>> REPLACE\n")
  t.eq({ r.code, r.err }, { 0, "" })
  t.match(r.out, "block 1 was found at x%.lua:2 by indentation, similarity 0%.%d")
  t.eq(t.read(dir .. "/x.lua"), "if a then\n    c()\nend\n")
end)

t.test("the folder's own name in front of a path does no harm", function()
  local dir = t.tmpdir() .. "/packing"
  t.write(dir .. "/x.lua", "b\n")
  t.eq(apply(dir, "packing/x.lua\n<<<<<<< SEARCH\nb\n=======\nB\n>>>>>>> REPLACE\n").code, 0)
  t.eq(t.read(dir .. "/x.lua"), "B\n")
end)

t.test("--json tells of every block that is refused", function()
  local dir = folder()
  local no = json.decode(refused(dir, "up.lua\n```\nx\n```\n../up.lua\n```\nx\n```\n", "Also, block 2", "--json", "--editable", "x.lua").out)
  t.eq({ no.code, no.blocks[1].refused, no.blocks[2].refused }, { "frozen", "frozen", "bad_path" })
end)

t.test("a reply in a file is read", function()
  local dir = folder()
  local file = t.write(t.tmpdir() .. "/reply", REPLY)
  t.eq(t.run({ t.erlua, "apply", dir, file }).code, 0)
  t.eq(t.read(dir .. "/x.lua"), "a\nB\nB2\nc\n")
end)

t.test("--check says what would be done and does nothing", function()
  local dir = folder()
  local before = tree(dir)
  local r = apply(dir, REPLY, "--check")
  t.eq(r.code, 0)
  t.match(r.out, "^would apply 2 blocks")
  t.eq(tree(dir), before)
end)

t.test("--json gives blocks and files, also of a refusal", function()
  local dir = folder()
  local ok = json.decode(apply(dir, REPLY, "--json").out)
  t.eq(ok.applied, true)
  t.eq(ok.files[2], { path = "x.lua", change = "modify", added = 2, removed = 1 })
  t.eq(ok.blocks[1], { form = "search", path = "x.lua", rung = "exact", line = 2, similarity = 1.0 })
  local r = refused(dir, REPLY, "block 1 of 2", "--json")
  local no = json.decode(r.out)
  t.eq({ no.applied, no.code, no.files }, { false, "not_found", {} })
  t.match(no.message, "Looked for:")
end)

t.test("a refusal changes nothing and says why", function()
  local dir = folder()
  refused(dir, "nothing to do\n", "no change was found")
  refused(dir, "lib/y.lua\n<<<<<<< SEARCH\ny\n=======\nz\n>>>>>>> REPLACE\nx.lua\n<<<<<<< SEARCH\nnope\n=======\n>>>>>>> REPLACE\n", "block 2 of 2")
  refused(dir, "../up.lua\n```\nx\n```\n", "not a path inside")
  refused(dir, REPLY, "frozen", "--editable", "lib/*.lua")
  refused(dir, "<<<<<<< SEARCH\nb\n=======\nB\n>>>>>>> REPLACE\n", "only be changed between", "--editable", "x.lua", "--region", "EVOLVE-BLOCK")
end)

t.test("globs and a region marker say what may change", function()
  local dir = folder()
  t.write(dir .. "/x.lua", "a\n# EVOLVE-BLOCK-START\nb\n# EVOLVE-BLOCK-END\n")
  local r = apply(dir, "<<<<<<< SEARCH\nb\n=======\nB\n>>>>>>> REPLACE\n", "--editable", "x.lua", "--region", "EVOLVE-BLOCK")
  t.eq({ r.code, r.err }, { 0, "" })
  t.eq(t.read(dir .. "/x.lua"), "a\n# EVOLVE-BLOCK-START\nB\n# EVOLVE-BLOCK-END\n")
end)

t.test("an environment's lists are obeyed, and env.lua is never editable", function()
  local dir = folder()
  t.write(dir .. "/env.lua", [[return { name = "e", editable = { "**" }, frozen = { "lib/*" }, train = { "true" }, evaluate = { "true" }, metric = "m", direction = "min" }]])
  refused(dir, "lib/y.lua\n```\nz\n```\n", "frozen", "--env", dir)
  refused(dir, "env.lua\n```\nreturn {}\n```\n", "frozen", "--env", dir)
  t.eq(apply(dir, "x.lua\n```\nz\n```\n", "--env", dir).code, 0)
end)

t.test("links are neither read nor written through", function()
  local dir, out = folder(), t.tmpdir()
  t.write(out .. "/secret", "s\n")
  os.execute("ln -s " .. t.quote(out) .. " " .. t.quote(dir .. "/link") .. " && ln -s " .. t.quote(out .. "/secret") .. " " .. t.quote(dir .. "/secret"))
  refused(dir, "link/new\n```\nx\n```\n", "`link` is a link")
  refused(dir, "secret\n<<<<<<< SEARCH\n=======\nx\n>>>>>>> REPLACE\n", "is a link")
  refused(dir, "secret\n<<<<<<< SEARCH\ns\n=======\nx\n>>>>>>> REPLACE\n", "`secret` is a link")
  refused(dir, "diff --git a/secret b/mine\nsimilarity index 100%\nrename from secret\nrename to mine\n", "`secret` is a link")
  t.eq(t.read(out .. "/secret"), "s\n")
end)

t.test("the folder of git is out of reach", function()
  local dir = folder()
  refused(dir, ".git/hooks/post-commit\n```\nx\n```\n", "frozen")
end)

t.test("bytes that are no text do no harm", function()
  local dir = folder()
  t.write(dir .. "/bin", "\0\255\1")
  refused(dir, "bin\n<<<<<<< SEARCH\n\0\255\n=======\nx\n>>>>>>> REPLACE\n", "binary", "--json")
  t.eq(apply(dir, "\255\254\0 words \0\n" .. REPLY).code, 0)
end)

t.test("wrong usage is exit 2", function()
  local dir = folder()
  for _, argv in ipairs { {}, { dir }, { dir, "-", "more" }, { "--nope", dir, "-" }, { dir, "-", "--env" }, { dir, "-", "--region", "A", "--region", "B" },
    { dir, "-", "--env", dir, "--editable", "*" } } do
    local r = t.run { t.erlua, "apply", table.unpack(argv) }
    t.eq(r.code, 2)
    t.match(r.err, "erlua apply %-%-help")
  end
  t.match(t.run({ t.erlua, "apply", "--help" }).out, "^usage: erlua apply")
end)

t.test("a folder or a reply that is not there is exit 1", function()
  t.eq(t.run({ t.erlua, "apply", "/nonexistent", "-" }).code, 1)
  t.eq(t.run({ t.erlua, "apply", folder(), "/nonexistent" }).code, 1)
end)

return t
