-- scoring.lua: variants of nanogpt's model.lua, trained for a moment and scored by its evaluate.lua, for tests of what
-- a score can be fooled by.  A variant is a file in tests/exploits or tests/honest that returns
--   what      a noun phrase
--   edits     pairs of texts: the first stands in model.lua once, the second takes its place
--   code      Lua in front of the last `return M`
--   weights   "own": it has parameters of its own and is trained; else it is given those of the unchanged model
--   windows   of the held-out text (64 unless told)
--   and what must become of it: outcome, reason (a pattern), or loss, or same_loss: that of the unchanged model

local M = {}

local CONTEXT, SPARE = 64, 16
M.CONFIG = { vocab = 256, context = CONTEXT, layers = 2, width = 32, heads = 2, mlp_ratio = 2, activation = "gelu", init_std = 0.08,
  dtype = "f32" }

-- English that is at hand everywhere: this project's own pages.
local function text(t)
  local parts = {}
  for path in t.run({ "sh", "-c", "ls \"$1\"/docs/*.md \"$1\"/README.md", "sh", t.source }).out:gmatch("[^\n]+") do
    parts[#parts + 1] = t.read(path)
  end
  return table.concat(parts)
end

local function shard(path, bytes)
  assert(erlua.data.write_shard(path, erlua.tensor.frombuffer(bytes, "u8"):to("u16")))
  return path
end

---A rig for the tests of one file.
function M.new(t)
  local rig = setmetatable({ t = t, dir = t.tmpdir(), env = t.source .. "/envs/nanogpt" }, { __index = M })
  local words = text(t)
  rig.words, rig.model = words, assert(t.read(rig.env .. "/model.lua"))
  shard(rig.dir .. "/train.bin", words:sub(1, #words * 3 // 4))
  return rig
end

---The folder of a held-out text with so many windows.
function M:held_out(windows)
  local dir = self.dir .. "/data-" .. windows
  if not self.t.read(dir .. "/val.bin") then
    self.t.write(dir .. "/x", "")
    local n = (windows + SPARE) * CONTEXT + 1
    assert(#self.words // 4 > n, "the text is too short")
    shard(dir .. "/val.bin", self.words:sub(-n))
  end
  return dir
end

---model.lua as a variant has it.
function M:source(variant)
  local source = self.model
  for _, edit in ipairs(variant.edits or {}) do
    local from, to = source:find(edit[1], 1, true)
    if not from then error(variant.what .. ": model.lua has no longer the text '" .. edit[1] .. "'", 0) end
    source = source:sub(1, from - 1) .. edit[2] .. source:sub(to + 1)
  end
  if variant.code then
    source = source:gsub("return M%s*$", function() return variant.code .. "\nreturn M\n" end)
  end
  return source
end

---Trains a model for some steps and leaves its checkpoint in `out`.
function M:train(source, out, steps)
  local T, nn, optim = erlua.tensor, erlua.nn, erlua.optim
  T.manual_seed(1)
  local model = assert(load(source, "@model.lua", "t"))()
  local net = model.new(M.CONFIG)
  local weights = nn.parameters(net)
  local opt = optim.AdamW(weights, { lr = 1e-2 })
  local loader = assert(erlua.data.shards(self.dir .. "/train.bin", { batch = 4, length = CONTEXT, seed = 1 }))
  local after
  for _ = 1, steps do
    local scope <close> = T.scope()
    local loss = net:loss(loader:next())
    loss:backward()
    optim.clip_grad_norm(weights, 1)
    opt:step()
    opt:zero_grad()
    after = loss:item()
    if model.stepped then model.stepped(net) end
  end
  self.t.write(out .. "/.keep", "")
  model.save(net, out .. "/checkpoint.safetensors")
  return after
end

---The artifact of the unchanged model.
function M:baseline()
  if not self.trained then
    self:train(self.model, self.dir .. "/baseline", 40)
    self.trained = self.dir .. "/baseline"
  end
  return self.trained
end

---Runs evaluate.lua on an artifact: its metrics, or { outcome = "crash", reason = what it said }.
function M:evaluate(source, out, windows)
  local t, work = self.t, self.t.tmpdir()
  t.write(work .. "/model.lua", source)
  t.write(work .. "/baseline.lua", assert(t.read(self.env .. "/baseline.lua")))
  local r = t.run({ t.erlua, self.env .. "/evaluate.lua" }, { cwd = work, env = { ERLUA_OUT = out, ERLUA_DATA = self:held_out(windows or 64),
    ERLUA_METRICS = work .. "/metrics", ERLUA_PRESET = "tiny", ERLUA_SEED = "1" } })
  local written = t.read(work .. "/metrics")
  if r.code ~= 0 then return { outcome = "crash", reason = r.err, written = written } end
  return erlua.json.decode(written)
end

---A variant's metrics.
function M:score(variant)
  local source, out = self:source(variant), self:baseline()
  if variant.weights == "own" then
    out = self.t.tmpdir()
    self:train(source, out, variant.steps or 6)
  end
  if variant.artifact then
    local own = self.t.tmpdir()
    self.t.run { "sh", "-c", "cp \"$1\"/* \"$2\"", "sh", out, own }
    variant.artifact(self, own)
    out = own
  end
  return self:evaluate(source, out, variant.windows)
end

---The variants of a folder of tests, by name.
function M.variants(t, folder)
  local list = {}
  for path in t.run({ "sh", "-c", "ls \"$1\"/*.lua", "sh", t.source .. "/tests/" .. folder }).out:gmatch("[^\n]+") do
    list[#list + 1] = dofile(path)
    list[#list].file = path:match("[^/]*$")
  end
  return list
end

return M
