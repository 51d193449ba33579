-- check.lua - trains the GPT of base.lua with one idea, or with none, and fails unless it has learned.
--   erlua tests/ideas/check.lua [IDEA.lua]

local T, nn = erlua.tensor, erlua.nn

local folder = arg[0]:match(".*/") or "./"
local base = dofile(folder .. "base.lua")
local idea = ...
if idea then assert(loadfile(idea))(base) end

local text = T.frombuffer(assert(io.open(folder .. "base.lua", "rb")):read("a"), "u8")          -- its own source

-- The mean loss over the same batches each time.
local function evaluate(model)
  T.manual_seed(1)
  local total = 0
  for _ = 1, 4 do
    total = total + T.scope(function()
      local ids, targets = base.batch(text)
      return model:logits(ids):cross_entropy(targets):item()
    end)
  end
  return total / 4
end

-- The loss of knowing how often each byte occurs, and nothing else.
local function unigram()
  local share = text:bincount():to("f32") / text:numel()
  return -(share * (share + 1e-9):log()):sum():item()
end

-- Does a change to a later token show in the logits of an earlier place?
local function looks_ahead(model)
  local ids = base.batch(text)
  local other, at = ids:clone(), base.config.context // 2
  local tail = other:narrow(2, at + 1, base.config.context - at)
  tail:copy_(base.batch(text):narrow(2, 1, base.config.context - at))
  local function before(x) return model:logits(x):narrow(2, 1, at):contiguous():tobytes() end
  return before(ids) ~= before(other)
end

local function bytes(model)
  local out = {}
  for name, x in pairs(nn.state_dict(model)) do out[name] = x:tobytes() end
  return out
end

T.manual_seed(42)
local model = base.GPT(base.config)
local untrained, first = bytes(model), T.no_grad(evaluate, model)
T.manual_seed(7)
base.train(model, text)
nn.train(model, false)
local last = T.no_grad(evaluate, model)

print(("the loss went from %.3f to %.3f; to know how often each byte occurs gives %.3f"):format(first, last, unigram()))
assert(math.abs(first - math.log(256)) < 0.5, "the first loss is that of a guess, log 256")
assert(last < unigram() - 0.3, "nothing was learned beyond how often each byte occurs")
assert(not T.no_grad(looks_ahead, model), "a later token shows in earlier logits")
local trained = bytes(model)
for name, was in pairs(untrained) do assert(trained[name] ~= was, name .. " was never changed") end
