-- Training from end to end: the page about it, the example, and a run that is stopped and resumed.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local T, nn, optim, data, safetensors = erlua.tensor, erlua.nn, erlua.optim, erlua.data, erlua.safetensors

local TEXT = ("the quick brown fox jumps over the lazy dog.\n"):rep(60)

local function erlua_in(dir, ...)
  return t.run({ t.erlua, ... }, { cwd = dir, env = { ERLUA_HOME = t.source } })
end

t.test("the code of docs/training.md runs from top to bottom", function()
  local page, code = t.ok(t.read(t.source .. "/docs/training.md")), {}
  for block in page:gmatch("\n```lua\n(.-)```") do code[#code + 1] = block end
  t.ok(#code >= 8, "the page shows code")
  code[#code + 1] = "local lion = Lion(params, 1e-3)\nmodel:loss(inputs, targets):backward()\nlion:step()\nprint('ran')"
  local dir = t.tmpdir()
  t.write(dir .. "/text.txt", TEXT)
  t.write(dir .. "/page.lua", table.concat(code))
  local r = erlua_in(dir, "page.lua")
  t.eq(r.code, 0, r.err)
  t.match(r.out, "\nran\n$")
  local first, last = r.out:match("\n20\t(%S+)\n40\t(%S+)\n")
  t.ok(last and tonumber(last) < tonumber(first) and tonumber(first) < 5.5, "the loss falls: " .. r.out)
end)

local SMALL = { "--layers", "1", "--dim", "16", "--heads", "2", "--context", "16", "--batch", "8" }

local function example(dir, ...)
  local args = { t.source .. "/examples/train_gpt.lua" }
  for _, list in ipairs { { ... }, SMALL } do table.move(list, 1, #list, #args + 1, args) end
  return erlua_in(dir, table.unpack(args))
end

t.test("the example trains on a text, keeps a checkpoint, and writes on", function()
  local dir = t.tmpdir()
  t.write(dir .. "/fox.txt", TEXT)
  local r = example(dir, "--text", "fox.txt", "--steps", "60", "--lr", "0.02", "--out", "fox.safetensors",
    "--sample", "30", "--temperature", "0.3")
  t.eq(r.code, 0, r.err)
  local loss = tonumber(r.out:match("step +60 .- held out (%S+)"))
  t.ok(loss and loss < 3, r.out)
  t.eq(#r.out:match("tokens/s\n\n(.*)\n$"), 30, "thirty bytes behind the new line they begin with")
  t.match(r.out, "tokens/s\n\n[a-z .\n]+$")

  local function again(...)
    return erlua_in(dir, t.source .. "/examples/train_gpt.lua", "--load", "fox.safetensors", "--sample", "12",
      "--temperature", "0.3", ...).out
  end
  t.match(again("--prompt", "the "), "^the [a-z .\n]+$")
  local likeliest = again("--temperature", "0")            -- the last of an option counts
  t.eq(likeliest, again("--temperature", "0", "--seed", "5"), "the likeliest bytes are the same each time")
end)

t.test("the example trains for seconds, and says what it does not understand", function()
  local dir = t.tmpdir()
  t.write(dir .. "/fox.txt", TEXT)
  local r = example(dir, "--text", "fox.txt", "--seconds", "0.5", "--sample", "1")
  t.eq(r.code, 0, r.err)
  t.match(r.out, "step +%d+ +%d+ s  loss")
  t.match(example(dir, "--text", "none.txt").err, "none.txt: No such file")
  t.match(example(dir, "--colour", "red").err, "there is no option %-%-colour")
  t.match(example(dir, "--layers", "many").err, "%-%-layers needs a number")
  t.match(example(dir).err, "%-%-text FILE")
  t.write(dir .. "/short.txt", "short")
  t.match(example(dir, "--text", "short.txt").err, "short.txt: 5 bytes are too short a text")
end)

-- A run with all that has state: weights in f32 and bf16, two optimisers, dropout, a loader that draws.
local function run(shard)
  T.manual_seed(11)
  local self = { model = { tokens = nn.Embedding(256, 16, { std = 0.1 }), mlp = nn.MLP { dim = 16, dropout = 0.1 } } }
  nn.to(self.model.mlp, "bf16")
  local matrices, others = {}, {}
  for _, p in ipairs(nn.parameters(self.model)) do
    table.insert(p.dtype == "bf16" and p:dim() == 2 and matrices or others, p)
  end
  self.muon, self.adam = optim.Muon(matrices, { lr = 0.01 }), optim.AdamW(others, { lr = 0.01 })
  self.loader = assert(data.shards(shard, { batch = 4, length = 8, seed = 3 }))
  function self:step()
    local _ <close> = T.scope()
    local ids, targets = assert(self.loader:next())
    local x = self.model.tokens(ids)
    x = x + self.model.mlp(x:to("bf16"))
    local loss = x:lm_loss(self.model.tokens.weight, targets)
    loss:backward()
    for _, opt in ipairs { self.muon, self.adam } do
      opt:step()
      opt:zero_grad()
    end
    return loss:item()
  end
  return self
end

local PARTS = { "muon", "adam" }

local function save(self, path)
  local tensors = {}
  for name, x in pairs(nn.state_dict(self.model)) do tensors["model." .. name] = x end
  for _, part in ipairs(PARTS) do
    for name, x in pairs(self[part]:state_dict()) do tensors[part .. "." .. name] = x end
  end
  assert(safetensors.save(path, tensors, {
    random = erlua.json.encode { T.get_rng_state() }, loader = erlua.json.encode(self.loader:state()) }))
end

local function resume(self, path)
  local tensors, metadata = assert(safetensors.load(path))
  local parts = { model = {}, muon = {}, adam = {} }
  for name, x in pairs(tensors) do
    local part, rest = name:match("^(%w+)%.(.*)$")
    parts[part][rest] = x
  end
  nn.load_state_dict(self.model, parts.model)
  for _, part in ipairs(PARTS) do self[part]:load_state_dict(parts[part]) end
  self.loader:restore(erlua.json.decode(metadata.loader))
  T.set_rng_state(table.unpack(erlua.json.decode(metadata.random)))
end

t.test("ten steps, a checkpoint, ten steps of another run: the losses and weights of twenty, to the bit", function()
  local dir, want, got = t.tmpdir(), {}, {}
  assert(data.write_shard(dir .. "/fox.bin", T.frombuffer(TEXT, "u8")))
  local whole = run(dir .. "/fox.bin")
  for i = 1, 20 do want[i] = whole:step() end
  local first = run(dir .. "/fox.bin")
  for i = 1, 10 do got[i] = first:step() end
  save(first, dir .. "/run.safetensors")
  local second = run(dir .. "/fox.bin")
  second:step()                                             -- whatever it was before
  resume(second, dir .. "/run.safetensors")
  for i = 11, 20 do got[i] = second:step() end
  t.eq(got, want)
  t.ok(want[20] < want[1], "and it has learned")
  save(whole, dir .. "/a.safetensors")
  save(second, dir .. "/b.safetensors")
  t.ok(t.read(dir .. "/a.safetensors") == t.read(dir .. "/b.safetensors"), "the checkpoints are the same file")
end)

return t
