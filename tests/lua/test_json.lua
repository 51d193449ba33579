-- The codec of the journal, metrics and --json: what goes in comes out, and only JSON does.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local json = require("erlua.json")

local function round(v) return assert(json.decode(json.encode(v))) end

t.test("integers and floats are kept apart, to the last digit", function()
  local texts = { { 1, "1" }, { 1.0, "1.0" }, { -0.0, "-0.0" }, { 0.1, "0.1" }, { 1 / 3, "0.3333333333333333" },
    { 2 ^ 53, "9007199254740992.0" }, { 123456789.0, "123456789.0" }, { 1 << 53, "9007199254740992" }, { (1 << 53) + 1, "9007199254740993" },
    { math.maxinteger, "9223372036854775807" }, { math.mininteger, "-9223372036854775808" }, { 1e300, "1e+300" },
    { 5e-324, "5e-324" }, { 1.7976931348623157e308, "1.7976931348623157e+308" }, { 100.0, "100.0" }, { 1e15, "1e+15" }, { 2000.0, "2000.0" } }
  for _, case in ipairs(texts) do
    local v, text = case[1], case[2]
    local back = round { v }[1]
    t.eq({ math.type(back), back }, { math.type(v), v }, text)
    t.eq(string.pack("n", back), string.pack("n", v), text)
    t.eq(json.encode(v), text)
  end
  for _ = 1, 2000 do
    local x = string.unpack("n", string.pack("j", math.random(0)))
    if x == x and x ~= math.huge and x ~= -math.huge then t.eq(string.pack("n", round { x }[1]), string.pack("n", x)) end
  end
end)

t.test("numbers are read as JSON spells them, and no other way", function()
  for text, v in pairs { ["0"] = 0, ["-0"] = 0, ["-12"] = -12, ["1e2"] = 100.0, ["1E+2"] = 100.0, ["0.5e-1"] = 0.05, ["1e-400"] = 0.0,
    ["9223372036854775808"] = 2.0 ^ 63, ["123456789012345678901234567890"] = 123456789012345678901234567890.0 } do
    local got = json.decode(text)
    t.eq({ math.type(got), got }, { math.type(v), v }, text)
  end
  for _, text in ipairs { "+1", "01", "-", "1.", ".5", "1e", "1e+", "0x10", "1e400", "NaN", "nan", "Infinity", "-Infinity", "- 1", "1_000" } do
    local v, message, code = json.decode(text)
    t.eq({ v, code }, { nil, "json" }, text)
    t.match(message, "bad JSON at byte %d+")
  end
end)

t.test("strings survive: escapes, control characters, surrogates, NUL and all of UTF-8", function()
  local all = {}
  for c = 0, 0x10FFFF, 97 do
    if c < 0xD800 or c > 0xDFFF then all[#all + 1] = utf8.char(c) end
  end
  local text = table.concat(all)
  t.ok(round { text }[1] == text)
  t.eq(json.encode("a\"\\/\b\f\n\r\t\0\x1f"), [["a\"\\/\u0008\u000c\n\r\t\u0000\u001f"]])
  t.eq(json.decode([["\u0041\u00e9\ud83d\ude00\/\u0000"]]), "Aé😀/\0")
  t.eq(json.decode([["\uD83D\uDE00"]]), "😀")
end)

t.test("each ASCII character is written in its way wherever it stands in a string", function()
  local short = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r" }
  for c = 0, 127 do
    local char = string.char(c)
    local want = short[char] or char:find("%c") and string.format("\\u%04x", c) or char
    for before = 0, 17 do
      for after = 0, 9 do
        local a, z = ("a"):rep(before), ("é"):rep(after)
        if json.encode(a .. char .. z) ~= '"' .. a .. want .. z .. '"' then t.eq(json.encode(a .. char .. z), '"' .. a .. want .. z .. '"') end
      end
    end
  end
end)

t.test("bad strings are refused with their place", function()
  for _, text in ipairs { [["\ud83d"]], [["\ud83dx"]], [["\ude00"]], [["\ud83d\u0041"]], [["\u12"]], [["\u12g4"]], [["\x41"]], [["\]], [["a]],
    '"a\nb"', '"\1"', "'a'", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"" } do
    local v, message = json.decode(text)
    t.eq(v, nil, text)
    t.match(message, "bad JSON at byte %d+: ")
  end
  for _, s in ipairs { "\xff", "a\xc3", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80" } do
    t.raises(function() json.encode { s } end, "not valid UTF%-8")
    t.raises(function() json.encode { [s] = 1 } end, "not valid UTF%-8")
  end
end)

t.test("objects are written with sorted keys, one text for one value", function()
  t.eq(json.encode { b = 1, a = 2, ["a b"] = 3, A = 4, [""] = 5, ["é"] = 6 }, '{"":5,"A":4,"a":2,"a b":3,"b":1,"é":6}')
  t.eq(json.encode { x = { 1, { y = {} }, "z" } }, '{"x":[1,{"y":[]},"z"]}')
  local long = {}
  for i = 1, 1000 do long["k" .. i] = i end
  t.eq(json.encode(round(long)), json.encode(long))
end)

t.test("empty arrays and objects, null, true and false come back as they were", function()
  t.eq(json.encode {}, "[]")
  t.eq(json.encode(json.object {}), "{}")
  for _, text in ipairs { "[]", "{}", "[[],{}]", "null", "true", "false", '[null,{"a":null}]', '""', "[[[]]]" } do
    t.eq(json.encode(json.decode(text)), text)
  end
  t.ok(json.decode("null") == json.null)
  t.eq(json.encode(json.null), "null")
end)

t.test("a key that stands twice is refused, also deep inside and after escapes", function()
  for _, text in ipairs { '{"a":1,"a":2}', '[{"b":{"a":null,"a":null}}]', '{"a":1,"\\u0061":1}', '{"":0,"":0}' } do
    local v, message = json.decode(text)
    t.eq(v, nil, text)
    t.match(message, "twice")
  end
end)

t.test("what follows the value, or is missing, is refused", function()
  for _, text in ipairs { "", " ", "1 2", "{} x", "[1,]", "[,1]", "[1", "{", '{"a"}', '{"a":}', '{"a":1,}', "{a:1}", "[1 2]", "nul", "nulll", "tru", "]",
    "\0", "1\0", "// comment\n1", "\xef\xbb\xbf1" } do
    local v, message, code = json.decode(text)
    t.eq({ v, code }, { nil, "json" }, text)
    t.match(message, "bad JSON at byte %d+")
  end
  t.eq(json.decode(" \t\r\n[ 1 , 2 ] \n"), { 1, 2 })
end)

t.test("depth is bounded both ways", function()
  t.ok(json.decode(("["):rep(90) .. ("]"):rep(90)))
  t.eq(json.decode(("["):rep(100000)), nil)
  t.eq(json.decode(("[{\"a\":"):rep(50000)), nil)
  local deep = {}
  for _ = 1, 90 do deep = { deep } end
  t.eq(json.encode(round(deep)), json.encode(deep))
  for _ = 1, 100 do deep = { deep } end
  t.raises(function() json.encode(deep) end, "nested more than")
  local own = {}
  own.own = own
  t.raises(function() json.encode(own) end, "contains itself")
end)

t.test("what has no JSON form is refused by its kind", function()
  t.raises(function() json.encode(print) end, "a function has no JSON form")
  t.raises(function() json.encode { coroutine.create(print) } end, "a thread has no JSON form")
  t.raises(function() json.encode { io.stdout } end, "a userdata has no JSON form")
  for _, x in ipairs { 0 / 0, 1 / 0, -1 / 0 } do t.raises(function() json.encode { x } end, "JSON cannot hold") end
  t.raises(function() json.encode { [true] = 1 } end, "key that is a boolean")
  t.raises(function() json.encode { [1.5] = 1 } end, "key that is a number")
end)

t.test("arrays with holes or other keys are refused, never cut short", function()
  for _, make in ipairs {
    function() return { 1, nil, 3 } end, function() return { nil, 2 } end, function() return { 1, x = 2 } end,
    function() local v = { 1, nil, 3 } v.x = 1 return v end, function() local v = { 1, nil, nil, 4 } v.x, v.y = 1, 2 return v end,
    function() return { [2] = 1 } end, function() return { [0] = 1, 2 } end, function() return { [-1] = 1 } end,
  } do t.raises(function() json.encode(make()) end, "holes") end
end)

t.test("what others wrote carelessly is mended, and each place is counted", function()
  local function mend(text) local v, n = json.mend(text) return { v, n } end
  t.eq(mend '{"a":[1,2.5,"x"]}', { { a = { 1, 2.5, "x" } }, 0 })
  t.eq(mend "\"a\xff\xfeb\"", { "a\u{FFFD}\u{FFFD}b", 2 })
  t.eq(mend "\"\xed\xa0\x80\"", { "\u{FFFD}\u{FFFD}\u{FFFD}", 3 })
  t.eq(mend [["\ud83d"]], { "\u{FFFD}", 1 })
  t.eq(mend [["\ud83dx\ude00"]], { "\u{FFFD}x\u{FFFD}", 2 })
  t.eq(mend [["\ud83d\u0041"]], { "\u{FFFD}A", 1 })
  t.eq(mend [["\ud83d\ud83d\ude00"]], { "\u{FFFD}😀", 1 })
  t.eq(mend "\"a\nb\tc\0\"", { "a\nb\tc\0", 3 })
  t.eq(mend [["it\'s \x41"]], { "it's x41", 2 })
  t.eq(mend '{"a":1,"a":2,"b":{"c":1,"c":[3]}}', { { a = 2, b = { c = { 3 } } }, 2 })
  t.eq(mend "[NaN,Infinity,-Infinity,nan,1e999,null]", { { json.null, json.null, json.null, json.null, json.null, json.null }, 5 })
  t.eq(mend("[" .. ("9"):rep(100) .. "]"), { { json.null }, 1 })
end)

t.test("what is mended can be written, and what is no JSON stays refused", function()
  for _, text in ipairs { "\"\xff\\ud83d\xc3\"", '{"\xff":"\xfe"}', "[NaN]" } do t.ok(json.decode(json.encode((json.mend(text))))) end
  for _, text in ipairs { "", "{", '{"a":}', "[1,]", '"abc', '"\\u12', '"\\', "nul", "Nan", "[1 2]", "1 2", "{a:1}", ("["):rep(100000), '"\\ud83d\\u1"' } do
    local v, message, code = json.mend(text)
    t.eq({ v, code }, { nil, "json" }, text:sub(1, 20))
    t.match(message, "bad JSON at byte %d+")
  end
end)

t.test("any bytes become text that can be encoded", function()
  for _, case in ipairs { { "plain é😀\0\n", "plain é😀\0\n" }, { "\xff", "\u{FFFD}" }, { "a\xc3", "a\u{FFFD}" }, { "", "" } } do t.eq(json.utf8(case[1]), case[2]) end
  for _ = 1, 300 do
    local bytes = {}
    for i = 1, math.random(0, 40) do bytes[i] = string.char(math.random(0, 255)) end
    local s = json.utf8(table.concat(bytes))
    t.ok(utf8.len(s))
    t.eq(json.decode(json.encode(s)), s)
    json.mend('"' .. table.concat(bytes) .. '"')
  end
end)

t.test("metamethods are not called: what is in the table is what is written", function()
  local v = setmetatable({ a = 1 }, { __index = function() error("called") end, __pairs = error, __len = error })
  t.eq(json.encode(v), '{"a":1}')
end)

return t
