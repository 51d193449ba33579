-- Tokenizers: any bytes and back, the pieces that the originals make, and files that are refused by what is wrong in them.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local data, json = erlua.data, erlua.json

local GPT2 = [['s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+]]
local QWEN2 = [[(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+]]
local END = "<|endoftext|>"

-- ---- a small tokenizer, made here ------------------------------------------------------------

-- The characters that stand for bytes in files.
local CHAR = {}
do
  local n = 0
  for b = 0, 255 do
    local prints = b >= 0x21 and b <= 0x7E or b >= 0xA1 and b <= 0xAC or b >= 0xAE
    CHAR[b] = utf8.char(prints and b or 0x100 + n)
    if not prints then n = n + 1 end
  end
end

local function chars(bytes) return (bytes:gsub(".", function(c) return CHAR[c:byte()] end)) end

local MERGES = { "a a", "h e", "aa aa", "\32 he", "l l", "he ll", "o n", "aaaa a", "1 1", "\32 \32", "\n \n", "' s", "\xc3 \xa9", "\xff \xff", "b a", "a b", "ab ab" }

-- The pairs as bytes: { left, right }.
local function pairs_of(merges)
  local out = {}
  for _, m in ipairs(merges) do
    local cut = m:find(" ", 2, true)                  -- a token may be a space itself
    out[#out + 1] = { m:sub(1, cut - 1), m:sub(cut + 1) }
  end
  return out
end

-- Its vocabulary (in characters) and its merges, in the order of ids.
local function parts()
  local vocab, merges, n = {}, {}, 256
  for b = 0, 255 do vocab[CHAR[b]] = b end
  for i, m in ipairs(pairs_of(MERGES)) do
    vocab[chars(m[1] .. m[2])], n = n, n + 1
    merges[i] = chars(m[1]) .. " " .. chars(m[2])
  end
  vocab[END] = n
  return vocab, merges
end

local BYTE_LEVEL = { type = "ByteLevel", add_prefix_space = false, use_regex = true }

local function cut_by(regex)
  return { type = "Sequence", pretokenizers = { { type = "Split", pattern = { Regex = regex }, behavior = "Isolated", invert = false },
    { type = "ByteLevel", add_prefix_space = false, use_regex = false } } }
end

local function spec(fields, model)
  local vocab, merges = parts()
  local out = { model = { type = "BPE", vocab = vocab, merges = merges }, pre_tokenizer = BYTE_LEVEL, normalizer = json.null,
    added_tokens = { { id = vocab[END], content = END, special = true, lstrip = false, rstrip = false, single_word = false, normalized = false } } }
  for k, v in pairs(fields or {}) do out[k] = v end
  for k, v in pairs(model or {}) do out.model[k] = v end
  return out
end

local function open(document)
  return data.tokenizer("bpe", { vocab = t.write(t.tmpdir() .. "/tokenizer.json", type(document) == "table" and json.encode(document) or document) })
end

-- The pieces of an encoded text, as they are decoded one by one.
local function pieces(tokenizer, text, options)
  local out = {}
  for i, id in ipairs(tokenizer:encode(text, options):tolist()) do out[i] = tokenizer:decode(id) end
  return out
end

local function random_bytes(n, alphabet)
  local out = {}
  for i = 1, n do
    local k = erlua.random(alphabet and #alphabet or 256)
    out[i] = alphabet and alphabet:sub(k, k) or string.char(k - 1)
  end
  return table.concat(out)
end

-- ---- encoding and decoding -------------------------------------------------------------------

t.test("bytes are their own tokens", function()
  local bytes = data.tokenizer("byte")
  t.eq({ bytes.vocab_size, bytes.eot }, { 256, nil })
  local s = random_bytes(1000)
  t.eq(bytes:decode(bytes:encode(s)), s)
  t.eq(bytes:encode("\0\xff").dtype, "u16")
  t.eq(#bytes:encode(""), 0)
  t.eq(bytes:decode {}, "")
end)

t.test("any bytes come back, in every way of cutting", function()
  local ways = { BYTE_LEVEL, cut_by(QWEN2), cut_by((QWEN2:gsub("|\\p{N}|", "|\\p{N}{1,3}|"))), cut_by(GPT2),
    { type = "Sequence", pretokenizers = { { type = "Digits", individual_digits = true }, BYTE_LEVEL } } }
  for i, way in ipairs(ways) do
    local tokenizer = assert(open(spec { pre_tokenizer = way }))
    for _ = 1, 150 do
      for _, s in ipairs { random_bytes(erlua.random(80)), random_bytes(erlua.random(200), "aab h\n 'e1\xc3\xa9\xff") } do
        for _, special in ipairs { true, false } do
          t.ok(tokenizer:decode(tokenizer:encode(s, { special = special })) == s, i .. ": " .. ("%q"):format(s))
        end
      end
    end
  end
end)

-- The pairs merged one by one, as the definition says.
local function merged(word)
  local parts_now, rank = {}, {}
  for c in word:gmatch(".") do parts_now[#parts_now + 1] = c end
  for i, m in ipairs(pairs_of(MERGES)) do rank[m[1] .. "\1" .. m[2]] = i end
  while true do
    local best, at
    for i = 1, #parts_now - 1 do
      local r = rank[parts_now[i] .. "\1" .. parts_now[i + 1]]
      if r and (not best or r < best) then best, at = r, i end
    end
    if not best then return parts_now end
    parts_now[at] = parts_now[at] .. table.remove(parts_now, at + 1)
  end
end

t.test("short and long words are merged as the definition says: the lowest rank first, the leftmost of equals", function()
  local tokenizer = assert(open(spec()))
  for n = 1, 150 do
    local word = random_bytes(n, n % 2 == 0 and "ab" or "aaabhelon")
    t.eq(pieces(tokenizer, word), merged(word), word)
    t.eq(pieces(tokenizer, word), merged(word), "met again")
  end
end)

t.test("a megabyte that is one word takes no time that matters", function()
  local tokenizer = assert(open(spec()))
  local ids = tokenizer:encode(("a"):rep(1000001))
  t.eq({ #ids, tokenizer:decode(ids[1]:item()), tokenizer:decode(ids[#ids]:item()) }, { 250000, "aaaa", "aaaaa" })
end)

t.test("words are cut as GPT-2, SmolLM, Qwen2 and Llama 3 cut them", function()
  local text = "He's  I'LL 12345 x!?\r\n\n\tdone  "
  local function words(way)
    local s = spec({ pre_tokenizer = way }, { ignore_merges = true })
    local n = s.added_tokens[1].id
    for w in ("He|'s|I|'|LL|'LL| I| 12345|12345|123|45| x|x|!?|!?\r\n\n|\r\n|\n|\t|done|\tdone|\r\n\n\t|\r\n\n|  | "):gmatch("[^|]+") do
      if not s.model.vocab[chars(w)] then n = n + 1 s.model.vocab[chars(w)] = n end
    end
    return pieces(assert(open(s)), text)
  end
  t.eq(words(BYTE_LEVEL), { "He", "'s", " ", " I", "'", "LL", " 12345", " x", "!?", "\r\n\n", "\t", "done", "  " })
  t.eq(words { type = "Sequence", pretokenizers = { { type = "Digits", individual_digits = true }, BYTE_LEVEL } },
    { "He", "'s", " ", " I", "'", "LL", " ", "1", "2", "3", "4", "5", " x", "!?", "\r\n\n", "\t", "done", "  " })
  t.eq(words(cut_by(QWEN2)), { "He", "'s", " ", " I", "'LL", " ", "1", "2", "3", "4", "5", " x", "!?\r\n\n", "\tdone", "  " })
  t.eq(words(cut_by((QWEN2:gsub("|\\p{N}|", "|\\p{N}{1,3}|")))), { "He", "'s", " ", " I", "'LL", " ", "123", "45", " x", "!?\r\n\n", "\tdone", "  " })
end)

t.test("special tokens are text unless they are asked for, and the longest wins", function()
  local s = spec()
  local id = s.added_tokens[1].id
  s.added_tokens[2] = { id = id + 1, content = END .. "s" }
  local tokenizer = assert(open(s))
  t.eq({ tokenizer.eot, tokenizer.vocab_size, tokenizer:id(END .. "s"), tokenizer:id("nothing") }, { id, id + 2, id + 1, nil })
  t.eq(tokenizer:encode("a" .. END .. END .. "s", { special = true }):tolist(), { 97, id, id + 1 })
  for _, k in ipairs(tokenizer:encode(END):tolist()) do t.ok(k < id) end
  t.eq(tokenizer:decode { 97, id, id + 1 }, "a" .. END .. END .. "s")
end)

t.test("form C is made where the tokenizer asks for it", function()
  local tokenizer = assert(open(spec { pre_tokenizer = cut_by(QWEN2), normalizer = { type = "NFC" } }))
  local function form(s) return tokenizer:decode(tokenizer:encode(s)) end
  t.eq(form("e\u{301} E\u{323}\u{302} \u{1112}\u{1161}\u{11ab}"), "é Ệ 한")
  t.eq(form("\u{1e9b}\u{323} \u{212b} \u{f71}\u{f72}\u{f71}"), "\u{1e9b}\u{323} Å \u{f71}\u{f71}\u{f72}")
  t.eq(form("e\u{301}\xff\u{301}\xcd\x80"), "é\xff\u{301}\u{300}", "bytes that are no UTF-8 stay, and nothing composes across them")
  t.eq(form("\u{1100}\u{1161}\u{11a7}\u{2126}"), "가\u{11a7}Ω")
end)

t.test("a wide vocabulary gives i32, and ids that there are not are named", function()
  local s = spec()
  s.added_tokens[2] = { id = 70000, content = "<far>" }
  local tokenizer = assert(open(s))
  local ids = tokenizer:encode("<far>a", { special = true })
  t.eq({ ids.dtype, ids:tolist(), tokenizer:decode(ids) }, { "i32", { 70000, 97 }, "<far>a" })
  local none, message, code = tokenizer:decode { 97, 60000 }
  t.eq({ none, code }, { nil, "range" })
  t.ok(message:find("id 2 of 2 is 60000", 1, true), message)
  t.eq(tokenizer:decode(-1), nil)
  t.raises(function() tokenizer:decode { 1.5 } end, "no whole number")
  t.raises(function() tokenizer:decode { 2 ^ 40 | 0 } end, "no token id")
  t.raises(function() tokenizer:decode(erlua.tensor.ones(2)) end, "ids are one row of whole numbers")
  t.raises(function() tokenizer:encode("a", { specials = true }) end, "specials")
end)

-- ---- files -------------------------------------------------------------------------------------

-- llm.c's file: every token behind its length.
local function llmc(version, tokens)
  local out = { string.pack("<i4i4i4i4", 20240328, version, #tokens, #tokens - 1), ("\0"):rep(1008) }
  for _, bytes in ipairs(tokens) do out[#out + 1] = string.pack("<s1", bytes) end
  return table.concat(out)
end

local function tokens_in_order()
  local out = {}
  for b = 0, 255 do out[b + 1] = string.char(b) end
  for _, m in ipairs(pairs_of(MERGES)) do out[#out + 1] = m[1] .. m[2] end
  out[#out + 1] = END
  return out
end

t.test("vocab.json with merges.txt, and llm.c's file, are the same tokenizer as tokenizer.json", function()
  local vocab, merges = parts()
  local dir = t.tmpdir()
  t.write(dir .. "/pair/vocab.json", json.encode(vocab))
  t.write(dir .. "/pair/merges.txt", "#version: 0.2\n" .. table.concat(merges, "\r\n") .. "\n\n")
  t.write(dir .. "/c/gpt2_tokenizer.bin", llmc(2, tokens_in_order()))
  local same = assert(open(spec()))
  for _, path in ipairs { "/pair", "/pair/vocab.json", "/c", "/c/gpt2_tokenizer.bin" } do
    local tokenizer = assert(data.tokenizer("bpe", { vocab = dir .. path }))
    t.eq({ tokenizer.vocab_size, tokenizer.eot }, { same.vocab_size, same.eot }, path)
    for _ = 1, 100 do
      local s = random_bytes(erlua.random(120), "aab h\n 'e1ll\xc3\xa9\xff" .. END)
      t.eq(tokenizer:encode(s, { special = true }):tolist(), same:encode(s, { special = true }):tolist(), path)
    end
  end
end)

t.test("what a tokenizer.json asks for beyond that is refused by its name", function()
  local function model(fields) return spec(nil, fields) end
  local added = spec()
  added.added_tokens[1].lstrip = true
  local other = spec()
  other.added_tokens[1].id = 3
  local cases = { { spec { pre_tokenizer = cut_by([[\w+]]) }, [[the pattern '\w+' is not supported]] },
    { spec { pre_tokenizer = { type = "Metaspace" } }, "the pre_tokenizer 'Metaspace'" }, { spec { pre_tokenizer = json.null }, "without a pre_tokenizer" },
    { spec { pre_tokenizer = { type = "ByteLevel", add_prefix_space = true } }, "add_prefix_space" }, { spec { normalizer = { type = "Lowercase" } }, "the normalizer 'Lowercase'" },
    { model { type = "WordPiece" }, "a model of type 'WordPiece'" }, { model { byte_fallback = true }, "byte_fallback is not supported" },
    { model { end_of_word_suffix = "</w>" }, "end_of_word_suffix is not supported" }, { added, "lstrip is not supported" },
    { other, "the id of the added token '" .. END .. "'" }, { model { merges = { "a zz" } }, "a merge merges what is no token" },
    { model { merges = { "a b", "b c" } }, "a merge makes no token" }, { model { merges = { "a a", "a a" } }, "a merge comes twice" },
    { model { merges = { "aa" } }, "of two tokens" }, { model { merges = { { "a", "a", "a" } } }, "of two tokens" }, { model { merges = { "\u{4e00} a" } }, "stand for no byte" },
    { model { vocab = { a = 0 }, merges = {} }, "no token stands for the byte 0x00" }, { model { vocab = { a = 0, b = 0 } }, "comes twice" },
    { model { vocab = { a = 1 << 30 } }, "impossible" }, { "{}", "it has no model" }, { "[]", "neither JSON nor llm.c's format" }, { "", "neither JSON" },
    { '{"model":' .. ("["):rep(1000), "nested more than 64 deep" }, { '{"model":{"vocab":{"a":-1}}}', "needs vocab and merges" },
    { '{"model":{},"model":{}}', "'model' comes twice" }, { '{"model":{"vocab":{"a":1e3},"merges":[]}}', "a whole number" } }
  for _, case in ipairs(cases) do
    local none, message, code = open(case[1])
    t.eq(none, nil, case[2])
    t.ok(message:find(case[2], 1, true), message .. "\nlacks: " .. case[2])
    t.eq(code, "format", message)
  end
end)

t.test("a cut or hostile file of llm.c is refused", function()
  local whole = llmc(2, tokens_in_order())
  local cases = { { whole:sub(1, 900), "less than its header" }, { whole:sub(1, -2), "ends within token" }, { whole .. "x", "more bytes behind" },
    { llmc(3, { "a" }), "version 3" }, { llmc(1, { "a" }), "1 tokens are impossible" }, { llmc(2, { "a", "" }), "ends within token 1 of 2, or it is empty" },
    { llmc(2, { "a", "a" }), "has the bytes of another" }, { llmc(2, { "a" }), "no token stands for the byte" },
    { string.pack("<i4i4i4i4", 20240328, 2, -1, 0) .. ("\0"):rep(1008), "-1 tokens" }, { string.pack("<i4i4i4i4", 20240328, 2, 1, 9) .. ("\0"):rep(1008) .. "\1a", "token 9, which there is not" } }
  for _, case in ipairs(cases) do
    local none, message = data.tokenizer("bpe", { vocab = t.write(t.tmpdir() .. "/x.bin", case[1]) })
    t.eq(none, nil, case[2])
    t.ok(message:find(case[2], 1, true), message .. "\nlacks: " .. case[2])
  end
end)

t.test("a name that there is not, and a file of another tokenizer, are said", function()
  t.raises(function() data.tokenizer("gpt3") end, "there are byte, gpt2 and bpe")
  t.raises(function() data.tokenizer("gpt2") end, "needs the option vocab")
  local path = t.write(t.tmpdir() .. "/tokenizer.json", json.encode(spec()))
  local none, message = data.tokenizer("gpt2", { vocab = path })
  t.ok(none == nil and message:find("and GPT-2 has 50257", 1, true), message)
  t.eq(select(3, data.tokenizer("bpe", { vocab = path .. "x" })), "ENOENT")
end)

-- ---- the real ones -------------------------------------------------------------------------------

-- Published vectors: text, Qwen2's ids, GPT-2's.
local GOLDEN = {
  { "", "", "" }, { "ied 4 ½ months", "1122 220 19 220 26062 3951", "798 604 25208 1933" }, { "Führer", "37 50753 261", "37 9116 71 11751" },
  { " ", "220", "220" }, { "  ", "256", "220 220" }, { "   ", "262", "220 220 220" }, { "\t", "197", "197" }, { "\n", "198", "198" },
  { "\n\n", "271", "628" }, { "\n\n\n", "1406", "628 198" }, { "\t\n", "1572", "197 198" }, { "Hello world", "9707 1879", "15496 995" },
  { " Hello world", "21927 1879", "18435 995" }, { " Hello World!", "21927 4337 0", "18435 2159 0" }, { "Hello, world!", "9707 11 1879 0", "15496 11 995 0" },
  { " this is 🦙.cpp", "419 374 11162 99 247 13 10821", "428 318 12520 99 247 13 20322" },
  { "w048 7tuijk dsdfhu", "86 15 19 23 220 22 83 1963 41808 11472 2940 16739", "86 47202 767 28047 45961 288 82 7568 13415" },
  { "нещо на Български", "78762 14144 1456 13073 63471 33594 3038 133178 79012",
    "22177 16843 141 231 15166 12466 121 16142 12466 239 141 232 30143 140 111 16142 21169 21727 31583 18849" },
  { "    Hello", "262 21927", "220 220 220 18435" }, { "    Hello\n    Hello", "262 21927 198 262 21927", "220 220 220 18435 198 220 220 220 18435" },
  { " (", "320", "357" }, { "\n =", "198 284", "198 796" }, { "' era", "6 11385", "6 6980" },
  { "Hello, y'all! How are you 😁 ?我想在apple工作1314151天～",
    "9707 11 379 64848 0 2585 525 498 26525 223 937 104100 18493 22377 99257 16 18 16 19 16 20 16 35727 21216",
    "15496 11 331 6 439 0 1374 389 345 30325 223 5633 22755 239 46349 111 28839 101 18040 32432 98 43291 1485 1415 24309 25465 171 121 252" },
  { "33333", "18 18 18 18 18", "2091 20370" },
}

local function real(name)
  local path = t.source .. "/../shared/data/tokenizers/" .. name .. "/tokenizer.json"
  if not require("erlua.core.fs").exists(path) then t.skip("there is no " .. path) end
  return assert(data.tokenizer("bpe", { vocab = path }))
end

for column, name in ipairs { "qwen2.5", "gpt2" } do
  t.test("the published vectors of " .. name .. " come out", function()
    local tokenizer = real(name)
    for _, row in ipairs(GOLDEN) do
      t.eq(table.concat(tokenizer:encode(row[1]):tolist(), " "), row[column + 1], row[1])
      t.eq(tokenizer:decode(tokenizer:encode(row[1])), row[1])
    end
  end)
end

t.test("the merges of GPT-2 are found again from llm.c's list of its tokens", function()
  local gpt2 = real("gpt2")
  local tokens = {}
  for id = 0, gpt2.vocab_size - 1 do tokens[id + 1] = gpt2:decode(id) end
  local again = assert(data.tokenizer("gpt2", { vocab = t.write(t.tmpdir() .. "/gpt2_tokenizer.bin", llmc(1, tokens)) }))
  t.eq({ again.vocab_size, again.eot }, { 50257, 50256 })
  for _, text in ipairs { GOLDEN[#GOLDEN - 1][1], (t.read(t.source .. "/docs/api.md")), random_bytes(2000) } do
    local a, b = gpt2:encode(text), again:encode(text)
    t.eq({ #a, a:ne(b):sum():item() }, { #b, 0 })
  end
end)

return t
