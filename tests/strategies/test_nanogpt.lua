-- The environment nanogpt, on a small text and with a small budget: it trains, keeps checkpoints and is scored.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local rig = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/rig.lua")
local json = require("erlua.json")
local mutate = require("erlua.llm.mutate")

local HOME = t.source .. "/envs/nanogpt/"
local TRAIN, MODEL = t.read(HOME .. "train.lua"), t.read(HOME .. "model.lua")

-- 100 KB of sentences of a few words.
local function story()
  local words, lines, bytes, state = {}, {}, 0, 7
  for word in ("the a small old red house tree child bird sees finds takes leaves green ball today again here"):gmatch("%a+") do
    words[#words + 1] = word
  end
  while bytes < 100000 do
    local line = {}
    for i = 1, 6 do
      state = state * 48271 % 2147483647
      line[i] = words[state % #words + 1]
    end
    lines[#lines + 1] = table.concat(line, " ") .. ".\n"
    bytes = bytes + #lines[#lines]
  end
  return table.concat(lines)
end

local TEXT = story()

-- Seconds of CPU time for a dozen steps of the baseline and its start, on this machine and in this build: one, or a few.
local function budget()
  local T = erlua.tensor
  T.threads(1)
  local net = assert(load(MODEL, "@model.lua"))().new { vocab = 256, context = 64, layers = 2, width = 64, heads = 2, mlp_ratio = 4.0,
    activation = "gelu", init_std = 0.02, dtype = "f32" }
  local ids, began = T.randint(0, 256, { 8, 64 }), os.clock()
  for _ = 1, 3 do net:loss(ids, ids):backward() end
  return math.ceil(0.5 + 5 * (os.clock() - began))
end

-- nanogpt with another budget, and a text; what it is prepared to is in a cache of this test.
local dir = t.tmpdir()
t.write(dir .. "/story.txt", TEXT)
for _, name in ipairs { "env.lua", "baseline.lua", "data.lua", "evaluate.lua", "model.lua", "train.lua" } do
  local bytes = t.read(HOME .. name)
  if name == "env.lua" then bytes = bytes:gsub('cpu = "10s"', 'cpu = "' .. budget() .. 's"') end
  t.write(dir .. "/nanogpt/" .. name, bytes)
end

local function run(...)
  return t.run({ t.erlua, ... }, { cwd = dir, env = { XDG_CACHE_HOME = dir .. "/cache" } })
end

-- The trials of ideas that change the files so: a list of { path = bytes }, all in one study.
local function trials(name, ideas)
  local replies = {}
  for i, files in ipairs(ideas) do
    local parts = {}
    for path, bytes in pairs(files) do parts[#parts + 1] = rig.whole(path, bytes) end
    replies[i] = table.concat(parts, "\n")
  end
  t.write(dir .. "/replies.json", json.encode(replies))
  t.write(dir .. "/drive.lua", (rig.STRATEGY:gsub("pcall%(study.baseline, study%)", "")))
  local r = run("drive.lua", "--env", "nanogpt", "--text", "story.txt", "--study", name, "--replies", dir .. "/replies.json")
  t.eq(r.code, 0, r.err)
  return json.decode(run("trials", name, "--json").out)
end

-- The text of `bytes` with one place in it changed.
local function edited(bytes, old, new)
  local from, to = bytes:find(old, 1, true)
  t.ok(from, "there is no " .. old)
  return bytes:sub(1, from - 1) .. new .. bytes:sub(to + 1)
end

t.test("the baseline learns, and its checkpoint is scored in nats a token and bits a byte", function()
  rig.needs_sandbox(t)
  local r = run("env", "nanogpt", "--text", "story.txt", "--json")
  t.eq(r.code, 0, r.out .. r.err)
  local b = json.decode(r.out).baseline
  t.eq({ b.outcome, b.stage }, { "ok", "evaluate" })
  t.ok(b.metrics.val_loss > 0 and b.metrics.val_loss < math.log(256), "no better than chance: " .. b.metrics.val_loss)
  t.near(b.metrics.bits_per_byte, b.metrics.val_loss / math.log(2), 1e-9)
  t.near(b.reward, 1 / b.metrics.val_loss, 1e-9)
end)

t.test("every 40th block is held out of the training shard, and nothing is in both or in none", function()
  local prepared = t.run({ "ls", dir .. "/cache/erlua/prepared" }).out:match("^nanogpt%-%x+")
  if not prepared then t.skip("the text was not prepared") end
  local function shard(name)
    return erlua.data.read_shard(dir .. "/cache/erlua/prepared/" .. prepared .. "/" .. name):to("u8"):tobytes()
  end
  local train, held_out, at = shard("train.bin"), shard("val.bin"), 1
  t.eq(#train + #held_out, #TEXT)
  for block = 0, #TEXT // 1024 do
    local piece = TEXT:sub(block * 1024 + 1, block * 1024 + 1024)
    if block % 40 == 39 then t.eq(held_out:sub((block // 40) * 1024 + 1, (block // 40) * 1024 + #piece), piece)
    else
      t.eq(train:sub(at, at + #piece - 1), piece)
      at = at + #piece
    end
  end
end)

t.test("running over the budget is no failure, having no checkpoint is; no training sees the text or the held-out part", function()
  rig.needs_sandbox(t)
  local peek = ("for _, path in ipairs { 'val.bin', '/erlua/data/val.bin', '/erlua/text', '%s/story.txt', '%s/cache' } do "
    .. "assert(not io.open(path), path) end\n"):format(dir, dir)
  local done = trials("ends", {
    { ["train.lua"] = peek .. edited(TRAIN, "while progress() < 1 do", "save()\nwhile true do") },
    { ["train.lua"] = edited(TRAIN, "local function save() ", "local function save() if true then return end ") },
    { ["train.lua"] = edited(TRAIN, "if loss ~= loss then", "if step > 1 then") },
  })
  t.eq(done[1].outcome, "ok", tostring(done[1].reason))
  t.ok(done[2].outcome ~= "ok" and done[2].stage == "evaluate", done[2].outcome)
  t.match(done[2].reason, "checkpoint")
  t.eq({ done[3].outcome, done[3].stage }, { "crash", "train" })
  t.match(done[3].reason, "the loss is not a number at step 2")
end)

t.test("the settings of the config table can be changed, one by one and together", function()
  rig.needs_sandbox(t)
  local changed = TRAIN
  for old, new in pairs {
    ["layers       = 2,"] = "layers = 1,", ["width        = 64,"] = "width = 48,", ["heads        = 2,"] = "heads = 3,",
    ["mlp_ratio    = 4.0,"] = "mlp_ratio = 2.3,", ['"gelu",'] = '"relu2",', ['"f32",'] = '"bf16",', ["batch        = 8,"] = "batch = 4,",
    ["passes       = 1,"] = "passes = 2,", ['"linear",'] = '"wsd",',
  } do changed = edited(changed, old, new) end
  local done = trials("settings", { { ["train.lua"] = changed }, { ["train.lua"] = edited(TRAIN, "context      = 64,", "context = 96,") } })
  t.eq(done[1].outcome, "ok", tostring(done[1].reason))
  t.eq(done[2].outcome, "ok", tostring(done[2].reason))
end)

t.test("what builtin:mutate makes of the settings is a program", function()
  local random = { state = 3 }
  function random:unit()
    self.state = self.state * 48271 % 2147483647
    return self.state / 2147483647
  end
  function random:int(n) return math.floor(self:unit() * n) + 1 end
  function random:normal() return math.sqrt(-2 * math.log(1 - self:unit())) * math.cos(2 * math.pi * self:unit()) end
  local m = mutate.new { files = { ["model.lua"] = MODEL, ["train.lua"] = TRAIN }, presets = { "small", "124m", "tiny" }, random = random }
  local settings = {}
  for _ = 1, 300 do
    local text = m:propose({ prompt = "first" }).text
    for name in text:gmatch("Change `([%w_]+)` from") do settings[name] = true end
  end
  for _, name in ipairs { "layers", "width", "heads", "mlp_ratio", "activation", "init_std", "dtype", "batch", "passes", "lr", "schedule",
    "warmup", "beta1", "beta2", "weight_decay", "clip" } do
    t.ok(settings[name], name .. " was never changed")
  end
  t.eq({ settings.vocab, settings.context }, {})
end)

t.test("model.lua and train.lua are short enough to be read and sent", function()
  local _, lines = (MODEL .. TRAIN):gsub("\n", "")
  t.ok(lines <= 250, lines .. " lines")
end)

t.test("a text that is too short is refused with the size that is needed", function()
  t.write(dir .. "/short.txt", TEXT:sub(1, 5000))
  local r = run("env", "nanogpt", "--text", "short.txt", "--no-sandbox")
  t.eq(r.code, 1)
  t.match(r.err, "the text has 5000 bytes; it needs 81920 at least")
end)

return t
