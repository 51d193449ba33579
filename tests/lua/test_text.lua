-- Words for durations and sizes, and text in display columns.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local text = require("erlua.text")
local grid = require("erlua.grid")
local pages = require("erlua.page")
local models = require("erlua.report_models")

t.test("durations are short and never ambiguous", function()
  local cases = { [0] = "0.0s", [0.44] = "0.4s", [9.94] = "9.9s", [9.96] = "10s", [59.4] = "59s", [59.6] = "1m00s", [185] = "3m05s",
    [3599.7] = "1h00m", [3720] = "1h02m", [90000] = "1d01h", [-12] = "-12s" }
  for seconds, want in pairs(cases) do t.eq(text.duration(seconds), want, tostring(seconds)) end
  t.eq(text.duration(0 / 0), "?")
  t.eq(text.duration(math.huge), "?")
end)

t.test("byte counts grow by thousands", function()
  local cases = { [0] = "0 B", [999] = "999 B", [999.6] = "1.0 kB", [1536] = "1.5 kB", [23456789] = "23 MB", [999999] = "1.0 MB",
    [5e12] = "5.0 TB", [2e18] = "2000 PB", [-2000] = "-2.0 kB" }
  for n, want in pairs(cases) do t.eq(text.bytes(n), want, tostring(n)) end
  t.eq(text.bytes(0 / 0), "?")
end)

t.test("numbers are short and say when they are none", function()
  t.eq(text.number(12), "12")
  t.eq(text.number(2.63591234), "2.6359")
  t.eq(text.number(2.63591234, 3), "2.64")
  t.eq(text.number(nil), "-")
  t.eq(text.number(0 / 0), "nan")
  t.eq(text.number(-math.huge), "-inf")
end)

t.test("widths are display columns", function()
  t.eq(text.width("abc"), 3)
  t.eq(text.width("é"), 1)
  t.eq(text.width("e\u{301}"), 1)
  t.eq(text.width("日本"), 4)
  t.eq(text.width("▁█…"), 3)
end)

t.test("bad UTF-8 has a width and a clean form", function()
  t.eq(text.width("a\xffb"), 3)
  t.eq(text.clean("a\xffb\0c\27[1m\n"), "a\u{FFFD}b c [1m ")
  t.eq(text.clean("\xc2\x9b1m"), " 1m")
  t.eq(text.clean("\xe6\x97"), "\u{FFFD}\u{FFFD}")
end)

t.test("a cut line fits and shows that it was cut", function()
  t.eq(text.cut("abcdef", 6), "abcdef")
  t.eq(text.cut("abcdef", 4), "abc…")
  t.eq(text.cut("日本語", 4), "日…")
  t.eq(text.cut("abc", 0), "")
  for width = 1, 12 do t.ok(text.width(text.cut("日a本b語cdé", width)) <= width) end
end)

t.test("padding counts columns on both sides", function()
  t.eq(text.pad("é", 3), "é  ")
  t.eq(text.pad("日", 3, "left"), " 日")
  t.eq(text.pad("long", 2), "long")
end)

t.test("wrapped lines fit and lose no letter", function()
  local source = "a bbb cccccccccccccccccccc ddé 日本語日本語日本語 e"
  for width = 4, 30 do
    local lines = text.wrap(source, width)
    for _, line in ipairs(lines) do t.ok(text.width(line) <= width, line) end
    t.eq((table.concat(lines):gsub(" ", "")), (source:gsub(" ", "")))
  end
  t.eq(text.wrap("", 10), { "" })
  t.eq(text.wrap("one two three", 7), { "one two", "three" })
end)

t.test("the nearest name is a likely typo or none", function()
  local names = { "epochs", "batch", "seed", "slots", "study" }
  t.eq(text.nearest("epcohs", names), "epochs")
  t.eq(text.nearest("epoch", names), "epochs")
  t.eq(text.nearest("SEED", names), "seed")
  t.eq(text.nearest("stu", names), "study")
  t.eq(text.nearest("zzzzzz", names), nil)
end)

t.test("the distance counts a swap of neighbours once", function()
  t.eq(text.distance("ab", "ba"), 1)
  t.eq(text.distance("kitten", "sitting"), 3)
  t.eq(text.distance("", "abc"), 3)
  t.eq(text.distance("same", "same"), 0)
end)

t.test("counts agree with their nouns", function()
  t.eq(text.count(1, "trial"), "1 trial")
  t.eq(text.count(0, "trial"), "0 trials")
  t.eq(text.count(2, "study", "studies"), "2 studies")
end)

local function widest(lines)
  local most = 0
  for _, line in ipairs(lines) do most = math.max(most, text.width(line)) end
  return most
end

t.test("of two columns that stretch neither shrinks to nothing while another may go", function()
  local columns = { { title = "by", flex = true, least = 8 }, { title = "of", flex = true, least = 8 },
    { title = "first", drop = 1 }, { title = "second", drop = 2 } }
  local rows = { { "a-long-name", "another-long-name", "11111", "222222" } }
  t.eq(grid.lines(columns, rows, 60)[2], "a-long-name  another-long-name  11111  222222")
  t.eq(grid.lines(columns, rows, 36)[2], "a-long-n…  another-l…  11111  222222")
  t.eq(grid.lines(columns, rows, 28)[2], "a-long-n…  another-…  222222")
  for width = 18, 60 do t.ok(widest(grid.lines(columns, rows, width)) <= width, "wider than " .. width) end
end)

-- The table of a report in a terminal of so many columns; nil: in a file.
local function rates(columns, list)
  local page = pages.new()
  page.width, page.cut = columns or 80, columns
  models.rates(page, list)
  return page.lines
end

t.test("a report on models keeps their names apart in a narrow terminal", function()
  local function row(model, implementer)
    return { model = model, implementer = implementer, n = 10, submitted = 10, applied = 9, completed = 8, scored = 7, mean = 1.5, best = 2.5 }
  end
  local list = { row("anthropic:claude-opus-5-5", "anthropic:claude-opus-5-5"), row("openai:qwen3@http://h:1/v1", "anthropic:claude-opus-5-5") }
  t.match(rates(nil, list)[3], "^  anthropic:claude%-opus%-5%-5  anthropic:claude%-opus%-5%-5 .* 100 %%")
  local narrow = rates(80, list)
  t.ok(widest(narrow) <= 80)
  t.match(narrow[3], "^  claude%-opus%-5%-5  claude%-opus%-5%-5 ")
  t.match(narrow[4], "^  qwen3 +claude%-opus%-5%-5 ")
  t.match(rates(80, { row("openai:m@http://h:1", "anthropic:m") })[3], "^  openai:m +anthropic:m ")
end)

t.test("a text of several lines stays so in a page, without its blank ones", function()
  local page = pages.new()
  page.width = 20
  page:paragraph("A title\n\nDescription: what is to be done\n", 2)
  t.eq(page.lines, { "  A title", "  Description: what", "  is to be done" })
end)

t.test("what a program said last is its last line, or the message above Lua's traceback", function()
  local last = require("erlua.text").last_line
  t.eq(last("one\ntwo\n \n"), "two")
  t.eq(last("step 1\nerlua: train.lua:80: no\nstack traceback:\n\t[C]: in function 'error'\n\t[C]: in ?\n"), "erlua: train.lua:80: no")
  t.eq(last("stack traceback:\nthe title of a page\n"), "the title of a page")
  t.eq({ last(""), last(nil), last("\n\t\n") }, {})
  t.eq(last(("x"):rep(500)), ("x"):rep(199) .. "...")
end)

return t
