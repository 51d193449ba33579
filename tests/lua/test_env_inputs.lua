-- An environment's inputs: files that are made of a text or were fetched, kept in the cache, and seen by whom they are for.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local rig = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/rig.lua")
local check = require("erlua.env_check")

local ENV = [[
return { name = "texts", editable = { "idea.sh" }, data = { "hidden.txt" },
  inputs = { text = "story.txt", get = "A friend has it", prepare = { "sh", "-c",
    "test $(wc -c < $ERLUA_TEXT) -gt 3 || { echo too short >&2; exit 1; }; tr a-z A-Z < $ERLUA_TEXT > $ERLUA_OUT/train.txt; wc -c < $ERLUA_TEXT > $ERLUA_OUT/hidden.txt" } },
  train = { "sh", "idea.sh" },
  evaluate = { "sh", "-c", "echo \"{\\\"n\\\": $(cat $ERLUA_DATA/hidden.txt)}\" > $ERLUA_METRICS" },
  metric = "n", direction = "max", limits = { wall = "20s" },
  presets = { fetched = { inputs = { folder = "stories", get = "The library has them" }, data = { "hidden-*" },
    evaluate = { "sh", "-c", "echo '{\"n\":7}' > $ERLUA_METRICS; test -s $ERLUA_DATA/hidden-1 && test ! -e late.part" } } } }
]]

-- A cache with a text, and an environment; training passes only if it sees what was made of the text and nothing else.
local function setup(text)
  local dir = t.tmpdir()
  t.write(dir .. "/env/env.lua", ENV)
  t.write(dir .. "/env/idea.sh", ([[
n=1
test "$(cat train.txt)" = "WINTER TALE" && test ! -e hidden.txt && test ! -e $ERLUA_DATA/hidden.txt && test ! -e /erlua/text && ! ls DIR/cache 2> /dev/null
]]):gsub("DIR", dir))
  if text then t.write(dir .. "/cache/erlua/text/story.txt", text) end
  return dir
end

local function run(dir, ...)
  return t.run({ t.erlua, ... }, { cwd = dir, env = { XDG_CACHE_HOME = dir .. "/cache" } })
end

local function made(dir) return t.run({ "ls", "-A", dir .. "/cache/erlua/prepared" }).out end

t.test("what is made of a text joins the environment: training sees its part and the evaluation the data", function()
  rig.needs_sandbox(t)
  local dir = setup("winter tale")
  local r = run(dir, "env", "env")
  t.eq(r.code, 0, r.out .. r.err)
  t.match(r.out, "\nfrozen    env%.lua %(%d+ B%), train%.txt %(11 B%)\ndata      hidden%.txt %(3 B%)\ninputs    [^\n]*story%.txt")
  t.match(r.out, "\n  n  11\n")
  t.match(r.err, "preparing [^\n]*story%.txt for texts, once")
  local again = run(dir, "env", "env")
  t.eq(again.code, 0, again.err)
  t.no_match(again.err, "preparing")
  t.match(made(dir), "^texts%-%x+\n$")
end)

t.test("a text that is not there is an error that says how to get it, and checking alone needs none", function()
  local dir = setup()
  local r = run(dir, "env", "env")
  t.eq({ r.code, r.out }, { 1, "" })
  t.match(r.err, "texts needs the text [^\n]*/cache/erlua/text/story%.txt, which is not there%. A friend has it")
  r = run(dir, "env", "env", "--no-run")
  t.eq(r.code, 0, r.err)
  t.match(r.out, "story%.txt%s+%(not%s+there%)")
  r = run(dir, "-e", "local opt = erlua.options { env = 'env' } erlua.study(opt)")
  t.eq(r.code, 1)
  t.match(r.err, "A friend has it")
end)

t.test("--text takes another text, which is prepared apart", function()
  local dir = setup("winter tale")
  t.write(dir .. "/other.txt", "another")
  local r = run(dir, "env", "env", "--no-sandbox", "--json", "--text", "other.txt")
  t.match(r.out, '"path":"train.txt"')
  t.match(r.err, "preparing [^\n]*other%.txt")
  run(dir, "env", "env", "--no-sandbox")
  t.eq(select(2, made(dir):gsub("texts%-", "")), 2)
  t.match(run(dir, "env", "env", "--text", "nothing.txt").err, "%-%-text nothing%.txt: .*nothing%.txt")
  t.match(run(dir, "env", "env", "--text", ".").err, "is a folder, not a text")
  t.write(dir .. "/plain/env.lua", rig.env_lua())
  for path, bytes in pairs(rig.env("echo 1")) do t.write(dir .. "/plain/" .. path, bytes) end
  r = run(dir, "env", "plain", "--text", "other.txt")
  t.eq(r.code, 1)
  t.match(r.err, "the environment small trains on no text: leave %-%-text out")
end)

t.test("a text that cannot be prepared is refused with the last words of the command, and leaves nothing", function()
  local dir = setup("no")
  local r = run(dir, "env", "env", "--no-sandbox")
  t.eq(r.code, 1)
  t.match(r.err, "the text [^\n]*story%.txt could not be prepared for texts: exit code 1: too short")
  t.eq(made(dir), "")
end)

t.test("a folder that was fetched joins the environment, but not what is still on its way", function()
  local dir = setup()
  t.write(dir .. "/env/idea.sh", "test \"$(cat train-1)\" = one && test ! -e late.part && test ! -e hidden-1\n")
  local r = run(dir, "env", "env", "--preset", "fetched")
  t.eq(r.code, 1)
  t.match(r.err, "texts needs the files of [^\n]*/cache/erlua/stories, which are not there%. The library has them")
  t.write(dir .. "/cache/erlua/stories/train-1", "one")
  t.write(dir .. "/cache/erlua/stories/hidden-1", "two")
  t.write(dir .. "/cache/erlua/stories/late.part", "three")
  rig.needs_sandbox(t)
  r = run(dir, "env", "env", "--preset", "fetched")
  t.eq(r.code, 0, r.out .. r.err)
end)

t.test("a study goes on with what it began with: made again where it is gone, refused where it has changed", function()
  rig.needs_sandbox(t)
  local dir = setup("winter tale")
  local strategy = t.source .. "/lua/strategies/bestofn.lua"
  local r = run(dir, strategy, "--env", "env", "--study", "s", "--epochs", "1", "--batch", "1")
  t.eq(r.code, 0, r.err)
  local name = made(dir):match("^[^\n]+")
  t.write(dir .. "/cache/erlua/prepared/" .. name .. ".999999999/out/half", "left by an engine that was killed")
  t.eq(os.execute("rm -r " .. dir .. "/cache/erlua/prepared/" .. name), true)
  r = run(dir, "resume", "s", "--epochs", "2")
  t.eq(r.code, 0, r.err)
  t.match(r.err, "preparing")
  t.eq(made(dir), name .. "\n")
  t.eq(run(dir, "replay", "s").code, 0)
  t.eq(os.execute("rm -r " .. dir .. "/cache/erlua/prepared"), true)
  t.write(dir .. "/cache/erlua/text/story.txt", "summer tale")
  r = run(dir, "resume", "s", "--epochs", "3")
  t.eq(r.code, 1)
  t.match(r.err, "%(%w+%.txt of the environment%) has gone since the study began, and what is there now does not make it again")
  t.eq(os.remove(dir .. "/cache/erlua/text/story.txt"), true)
  t.match(run(dir, "resume", "s", "--epochs", "3").err, "has gone since the study began. It cannot be made again: .*story.txt, which is not there")
  t.eq(run(dir, "replay", "s").code, 0, "replay needs no data")
end)

t.test("prepared files are read-only, and made again when they are not what they were", function()
  local dir = setup("winter tale")
  run(dir, "env", "env", "--no-sandbox")
  local folder = dir .. "/cache/erlua/prepared/" .. made(dir):match("^[^\n]+")
  t.eq(t.run({ "stat", "-c", "%a", folder .. "/train.txt" }).out, "444\n")
  for _, spoil in ipairs { "chmod u+w train.txt; echo X >> train.txt", "rm -f train.txt", "echo more > more.txt", "rm .digests" } do
    t.eq(t.run({ "sh", "-c", spoil }, { cwd = folder }).code, 0, spoil)
    local r = run(dir, "env", "env", "--no-sandbox")
    t.match(r.err, "is not as it was made, and is made again", spoil)
    t.match(r.err, "preparing", spoil)
    t.eq(t.read(folder .. "/train.txt"), "WINTER TALE", spoil)
    t.no_match(run(dir, "env", "env", "--no-sandbox").err, "made again", spoil)
    t.eq(made(dir), folder:match("[^/]+$") .. "\n", "nothing else is left")
  end
end)

t.test("a job without the sandbox that changes prepared files stops the study before the next job, and it goes on with good ones", function()
  local dir = setup("winter tale")
  t.write(dir .. "/env/idea.sh", ("n=1\nif test -e %s/spoil; then rm %s/spoil; f=$(echo %s/cache/erlua/prepared/texts-*/train.txt); chmod u+w $f; echo SPOILT > $f; fi\n"
    .. "cat train.txt > $ERLUA_OUT/saw\n"):format(dir, dir, dir))
  local strategy = t.source .. "/lua/strategies/bestofn.lua"
  local args = { strategy, "--env", "env", "--study", "s", "--epochs", "1", "--batch", "2", "--repeats", "1", "--confirm", "0", "--slots", "1", "--no-sandbox" }
  t.write(dir .. "/spoil", "")
  local r = run(dir, table.unpack(args))
  t.eq(r.code, 3, r.err)
  t.match(r.err, "train%.txt %(train%.txt of the environment%) has changed while the study ran, perhaps by a job, for there is no sandbox"
    .. "%. The last scores may be wrong; go on with: erlua resume ")
  r = run(dir, "resume", "s")
  t.eq(r.code, 0, r.err)
  t.match(r.err, "is not as it was made, and is made again")
  t.eq(run(dir, "replay", "s").code, 0)
end)

t.test("of an environment's prepared folders those used last stay, and any that a running engine uses", function()
  local dir = setup()
  local function prepare(i, ...)
    t.write(dir .. "/" .. i .. ".txt", "tale " .. i)
    return run(dir, "env", "env", "--no-sandbox", "--json", "--text", i .. ".txt", ...)
  end
  local function folders() return select(2, made(dir):gsub("texts%-%x+\n", "")) end
  -- holds the folder of the first text until it is told to end
  t.write(dir .. "/hold.lua", 'assert(erlua.env("env", { text = "1.txt", sandbox = false })) io.open("held", "w"):close() while not io.open("end") do erlua.sleep(0.01) end')
  t.write(dir .. "/1.txt", "tale 1")
  t.cleanup(function() t.write(dir .. "/end", "") end)
  local holder = erlua.spawn(erlua.exec, { "env", "XDG_CACHE_HOME=" .. dir .. "/cache", t.erlua, "hold.lua", cwd = dir, timeout = 3600 })
  t.await("the first is held", function() return t.read(dir .. "/held") end)
  local first = made(dir)
  for i = 2, 4 do prepare(i) end
  t.eq(t.run({ "sh", "-c", "touch -d '2 days ago' " .. dir .. "/cache/erlua/prepared/*/.digests" }).code, 0)
  t.eq(t.run({ "sh", "-c", "touch -d '3 days ago' " .. dir .. "/cache/erlua/prepared/" .. first:match("%S+") .. "/.digests" }).code, 0)
  prepare(2)                                                -- used again
  for i = 5, 11 do prepare(i) end
  t.eq(folders(), 10, "nine that were used last, and the one that is held")
  t.match(made(dir), first:gsub("%-", "%%-"), "which is among them")
  t.no_match(prepare(2).err, "preparing")
  t.write(dir .. "/end", "")
  holder:wait()
  prepare(12)
  t.eq(folders(), 9)
  t.no_match(made(dir), first:gsub("%-", "%%-"))
end)

t.test("wrong inputs are an error that names the field", function()
  local function message(inputs)
    local spec = { name = "x", editable = { "a" }, train = { "a" }, evaluate = { "b" }, metric = "m", direction = "min", inputs = inputs }
    return select(2, check.env(spec)) or "none"
  end
  t.eq(message { text = "a.txt", prepare = { "sh" } }, "none")
  t.eq(message { folder = "a", get = "there" }, "none")
  for _, wrong in ipairs { "text", {}, { text = "a.txt" }, { prepare = { "sh" } }, { text = "a", prepare = { "sh" }, folder = "b" },
    { folder = "../a" }, { folder = "a/b" }, { text = ".", prepare = { "sh" } }, { text = "a.txt", prepare = "sh" }, { folder = 3 },
    { folder = "a", url = "b" } } do
    t.match(message(wrong), "^field 'inputs' ")
  end
end)

return t
