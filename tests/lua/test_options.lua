-- The typed command line of a script.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local options = require("erlua.options")
local text = require("erlua.text")

local DECLARED = {
  env = "nanogpt", epochs = 10, batch = 80, top = 100, rate = 0.5, keep_best = true, title = "none",
  sample = { 100, "trials drawn in each round" },
  mode = { type = "string", default = "fast", choices = { "fast", "slow" }, help = "how" },
  share = { type = "number", min = 0, max = 1, default = 0.5 },
  note = { type = "string" },
}

local function parse(...) return options.parse(DECLARED, { ... }, { script = "strategies/evolve.lua" }) end

local function refused(pattern, ...)
  local opt, message, code = parse(...)
  t.eq(opt, nil, table.concat({ ... }, " "))
  t.eq(code, "usage")
  t.match(message, pattern)
end

t.test("without arguments every option has its default", function()
  local opt, given = parse()
  t.eq(opt, { env = "nanogpt", model = "builtin:mutate", epochs = 10, batch = 80, seed = 1, new = false, json = false, sandbox = true,
    top = 100, rate = 0.5, keep_best = true, title = "none", sample = 100, mode = "fast", share = 0.5 })
  t.eq(given, {})
end)

t.test("values are given with = or as the next argument, and what was given is told", function()
  local opt, given = parse("--epochs=3", "--env", "toy", "--rate", "-2", "--seed=-5", "--title=", "--note", "a b")
  t.eq({ opt.epochs, opt.env, opt.rate, opt.seed, opt.title, opt.note }, { 3, "toy", -2.0, -5, "", "a b" })
  t.eq(given, { epochs = true, env = true, rate = true, seed = true, title = true, note = true })
end)

t.test("a value keeps the type of its default", function()
  t.eq(math.type(parse("--epochs", "4").epochs), "integer")
  t.eq(math.type(parse("--epochs", "4.0").epochs), "integer")
  t.eq(math.type(parse("--rate", "4").rate), "float")
  t.eq(math.type(parse("--share", "1").share), "float")
end)

t.test("booleans are set, unset by --no-, and take a value", function()
  local opt = parse("--new", "--json=yes", "--no-sandbox", "--no-keep-best")
  t.eq({ opt.new, opt.json, opt.sandbox, opt.keep_best }, { true, true, false, false })
  t.eq(parse("--keep-best=off").keep_best, false)
end)

t.test("dashes and underscores in names are the same", function()
  t.eq(parse("--keep_best=no").keep_best, false)
  t.eq(parse("--no-keep_best").keep_best, false)
end)

t.test("the last of two wins", function() t.eq(parse("--epochs", "2", "--epochs", "5").epochs, 5) end)

t.test("an unknown option names the nearest known one", function()
  refused("unknown option '%-%-epcohs'; did you mean %-%-epochs%?", "--epcohs", "3")
  refused("did you mean %-%-no%-json%?", "--no-jsn")
  refused("unknown option '%-%-zzzzzzz'$", "--zzzzzzz")
end)

t.test("a wrong value says what was expected and what came", function()
  refused("%-%-epochs expects a whole number, but got 'ten'", "--epochs", "ten")
  refused("%-%-epochs expects a whole number, but got '1.5'", "--epochs", "1.5")
  refused("%-%-epochs expects a whole number, but got '99999999999999999999'", "--epochs=99999999999999999999")
  refused("%-%-rate expects a number, but got 'nan'", "--rate", "nan")
  refused("%-%-rate expects a number, but got '1e999'", "--rate=1e999")
  refused("%-%-rate expects a number, but got '' ?", "--rate=")
  refused("%-%-json expects yes or no, but got 'maybe'", "--json=maybe")
  refused("%-%-mode expects one of fast, slow, but got 'fats'; did you mean 'fast'%?", "--mode", "fats")
end)

t.test("values out of range are refused with the bound", function()
  refused("%-%-epochs must be at least 1, but got 0", "--epochs=0")
  refused("%-%-slots must be at least 1", "--slots", "-2")
  refused("%-%-share must be at most 1", "--share", "1.5")
end)

t.test("a missing value is told from the next option", function()
  refused("%-%-epochs needs a value: a whole number", "--epochs")
  refused("%-%-env needs a value: NAME|DIR", "--env", "--new")
  refused("%-%-study needs a value", "--study=")
end)

t.test("stray arguments are errors", function()
  refused("unexpected argument 'evolve'", "evolve")
  refused("unexpected argument '%-%-'", "--")
  refused("unexpected argument '%-x'", "-x")
  refused("unexpected argument ''", "")
  refused("takes no value", "--no-sandbox=1")
end)

t.test("control characters and bad UTF-8 in an argument do not reach the terminal", function()
  local _, message = parse("--\27[31m\xff")
  t.no_match(message, "[%c\xff]")
end)

t.test("--help shows the script's comment, its options and the common ones", function()
  local opt, page, code = options.parse(DECLARED, { "--epochs", "bad", "--help" },
    { script = "strategies/evolve.lua", script_comment = "Evolutionary search.\n\nSecond part." })
  t.eq({ opt, code }, { nil, "help" })
  t.match(page, "^usage: erlua strategies/evolve.lua %[OPTIONS%]\n\nEvolutionary search%.\n\nSecond part%.\n")
  for _, name in ipairs { "--sample N", "--mode fast|slow", "--no-keep-best", "--no-sandbox", "--env NAME|DIR", "--study DIR", "--help" } do
    t.ok(page:find(name, 1, true), name)
  end
  t.match(page, "trials drawn in each round %(default 100%)")
end)

t.test("the help page fits wide and narrow terminals", function()
  local comment = ("Execution-guided search that exploits what beat the baseline. "):rep(5)
  for _, width in ipairs { 80, 60, 59, 40 } do
    local _, page = options.parse(DECLARED, { "--help" }, { script = "evolve.lua", script_comment = comment, width = width })
    for line in page:gmatch("[^\n]+") do t.ok(text.width(line) <= width, width .. ": " .. line) end
  end
end)

t.test("declarations that cannot work are the script's mistake", function()
  local cases = {
    { { x = {} }, "needs a default or a type" }, { { x = print }, "needs a default or a type" },
    { { x = { type = "list" } }, "needs a default or a type" }, { { [1] = "x" }, "needs a name" },
    { { epochs = "many" }, "is one that every strategy has, and is a whole number" },
    { { help = true }, "cannot be called that" }, { { no_way = true }, "cannot be called that" },
    { { x = { "a", type = "integer" } }, "is a whole number, but its default is a" },
    { { x = { type = "string", default = "c", choices = { "a", "b" } } }, "choice of a, b, and its default 'c' is none of them" },
    { { x = { 0, min = 1 } }, "must be at least 1" },
  }
  for _, c in ipairs(cases) do t.raises(function() options.parse(c[1], {}) end, c[2]) end
end)

t.test("a default may be 0, false or empty", function()
  local opt = options.parse({ a = { 0, "zero" }, b = { false, "off" }, c = { "", "empty" }, d = { default = false, type = "boolean" } }, {})
  t.eq({ opt.a, opt.b, opt.c, opt.d }, { 0, false, "", false })
end)

t.test("a script may give common options other defaults and words", function()
  local opt = options.parse({ model = "builtin:other", epochs = { 3, "rounds of it" } }, {})
  t.eq({ opt.model, opt.epochs }, { "builtin:other", 3 })
  local _, page = options.parse({ epochs = { 3, "rounds of it" } }, { "--help" })
  t.match(page, "rounds of it %(default 3%)")
end)

t.test("choices may be numbers", function()
  local opt = options.parse({ n = { 2, choices = { 1, 2, 4 } } }, { "--n", "4" })
  t.eq(opt.n, 4)
end)

t.test("the leading comment of a script is its comment without dashes", function()
  t.eq(options.leading_comment("#!/usr/bin/erlua\n-- One.\n--\n-- Two.\nlocal x = 1 -- no\n"), "One.\n\nTwo.")
  t.eq(options.leading_comment("--[[ Block\ncomment ]]\nx()"), "Block\ncomment")
  t.eq(options.leading_comment("\n\n-- late\nx()"), "late")
  t.eq(options.leading_comment("x() -- no"), "")
end)

return t
