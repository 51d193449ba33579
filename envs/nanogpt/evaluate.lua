-- evaluate.lua - frozen: the mean cross-entropy on held-out text of the model in $ERLUA_OUT, if it was come by honestly.
--
-- model.lua is the idea's. It runs in a Lua state of its own (erlua.restricted) that gets copies of the inputs and never
-- the targets; of what it returns one tensor is read, element by element. Three passes, each in a new state, so that
-- none remembers another:
--   scored    every window once: this is the score
--   repeated  the same windows in another order and other company. A loss that has changed came from elsewhere
--   probed    every window with all tokens after a place of its own replaced, compared up to that place with what was
--             scored. The places are drawn evenly, so the mean change at them is what looking ahead has gained
-- Nothing of a window is seen in the probed pass before its probe but its first part: replacements come from windows
-- that were probed in earlier calls, and at first from windows that are not scored at all.

local T, data = erlua.tensor, erlua.data
local restricted = require("erlua.restricted")

local baseline = dofile("baseline.lua")

local TIME        = 4                -- times the baseline's, for all three passes
local MEAN        = 1e-4             -- nats that a loss may change on average
local FAR         = 0.01             -- nats that a single one may change,
local FAR_SHARE   = 1 / 1000         --   save this share of them
local HEADER      = 64 * 1024        -- bytes of names, shapes and metadata in the checkpoint, and
local SOURCE      = 64 * 1024        --   of model.lua: neither is a place for a model's knowledge

local P, C = baseline.preset, baseline.preset.context

-- ---- how it ends ---------------------------------------------------------------------------------------

-- What a refused model did: an outcome and a reason for whoever writes the next one.
local Refusal = {}
local function refuse(outcome, ...) error(setmetatable({ outcome = outcome, reason = string.format(...) }, Refusal), 0) end

local OUTCOMES = { shape = "bad_metric", value = "bad_metric", time = "bad_metric" }

-- A call of the model that did not work; errors of its code end the evaluation as they end any program.
local function check(ok, message, code)
  if ok then return ok end
  if OUTCOMES[code] then refuse(OUTCOMES[code], "%s", message) end
  error(message, 0)
end

local function read(path, most)
  local file, message = io.open(path, "rb")
  if not file then error(message, 0) end
  local bytes = file:read(most + 1) or ""
  file:close()
  return bytes
end

-- ---- the text ------------------------------------------------------------------------------------------

-- Windows evenly over the text, a whole number of batches of them, and one batch behind those that is not scored.
local function windows_of(ids)
  local fit = (ids:numel() - 1) // C
  local batch = math.min(P.batch, fit // 2)
  if batch < 1 then error("evaluate.lua: the held-out text has only " .. ids:numel() .. " tokens", 0) end
  local n = math.min(P.tokens // C // batch, fit // batch - 1) * batch
  local stride, W = (ids:numel() - 1) // (n + batch), { n = n, batch = batch }
  function W.inputs(w) return ids:narrow(1, (w - 1) * stride + 1, C) end
  function W.targets(w) return ids:narrow(1, (w - 1) * stride + 2, C) end
  return W
end

local function batch_of(W)
  local rows = {}
  for w = 1, W.batch do rows[w] = W.inputs(w) end
  return T.stack(rows, 1)
end

local function shuffled(n) return T.randperm(n):add(1):tolist() end

local function in_order(n)
  local list = {}
  for w = 1, n do list[w] = w end
  return list
end

-- ---- a pass ------------------------------------------------------------------------------------------------

local function check_size(used)
  if used.numbers > P.size * baseline.numbers then
    refuse("tampered", "the checkpoint holds %d numbers; at most %g times as many as the baseline's %d are allowed, buffers "
      .. "included", used.numbers, P.size, baseline.numbers)
  end
  if used.text > HEADER then
    refuse("tampered", "the names, shapes and metadata of the checkpoint have %d bytes; at most %d are allowed", used.text,
      HEADER)
  end
end

-- After so many seconds of CPU time a state is ended at once; a busy machine is slower from one moment to the next.
local function most_seconds(cost, calls) return 2 * (TIME * cost.each * calls + P.load) + 1 end

-- A new state with the model of the checkpoint.
local function load_model(model, seconds)
  local state = check(restricted.open { source = model, name = "@model.lua", folder = os.getenv("ERLUA_OUT"),
    seconds = seconds })
  check(state:call("load", "checkpoint.safetensors"))
  check_size(state:used())
  return state
end

-- An error of a model that has seen held-out text could tell it to whoever writes the next one, by its words or by the
-- sizes of a tensor: only where it has seen random tokens are they shown.
local function rehearse(model, cost)
  local state <close> = load_model(model, most_seconds(cost, 1))
  local function random() return T.randint(0, P.vocab, { P.batch, C }) end
  check(state:losses(random(), random(), P.vocab))
end

local FAULTS = { error = "the model raises an error", shape = "logits have another shape or dtype",
  value = "logits hold a NaN or an infinity" }

local function losses_of(state, ids, targets)
  local losses, message, code = state:losses(ids, targets, P.vocab)
  if FAULTS[code] then
    refuse("bad_metric", "%s on the held-out text, and not so on random tokens; the details are not shown, since they could be "
      .. "of that text", FAULTS[code])
  end
  return check(losses, message, code)
end

-- Runs all windows of `order` through the model in a new state; ids_of(place) makes the inputs of one, and each(w, losses)
-- is told the losses. The baseline is timed now and then.
local function pass(model, W, order, cost, ids_of, each)
  local calls = #order // W.batch
  local state <close> = load_model(model, most_seconds(cost, calls))
  local scope <close> = T.scope()
  for call = 1, calls do
    local inputs, targets, first = {}, {}, (call - 1) * W.batch
    for row = 1, W.batch do inputs[row], targets[row] = ids_of(first + row), W.targets(order[first + row]) end
    local losses = losses_of(state, T.stack(inputs, 1), T.stack(targets, 1))
    for row = 1, W.batch do each(order[first + row], losses:window(row), first + row) end
    if call % 64 == 1 then cost.measure() end
  end
  local used = state:used()
  check_size(used)
  return used
end

-- ---- what is compared ----------------------------------------------------------------------------------------

local function changes() return { n = 0, sum = 0, far = 0 } end

-- The losses of a window, against those before, at the positions from first to last.
local function add(c, losses, before, first, last)
  local sum, far = losses:changes(before, FAR, first, last)
  c.n, c.sum, c.far = c.n + last - first + 1, c.sum + sum, c.far + far
end

local function judge(c, what)
  if not (c.sum / c.n <= MEAN) or c.far > FAR_SHARE * c.n then
    refuse("tampered", "%s: on average by %.2g nats (%.2g are allowed), and %d of %d by more than %g", what, c.sum / c.n,
      MEAN, c.far, c.n, FAR)
  end
  return c.sum / c.n
end

local REPEATED = "the loss of a window changes with the other windows of its batch, with the calls before it or from run to "
  .. "run; every window must be scored by itself"
local AHEAD = "the loss at a position changes when only later tokens of its window do; logits may depend on the tokens up "
  .. "to their own position alone"

-- The losses of all windows, and their mean.
local function score(model, W, cost)
  local scored, total, order = {}, 0, in_order(W.n)
  local used = pass(model, W, order, cost, W.inputs, function(w, losses)
    scored[w], total = losses, total + losses:sum()
  end)
  return scored, total / (W.n * C), used
end

local function check_repeated(model, W, cost, scored)
  local all, order = changes(), shuffled(W.n)
  local used = pass(model, W, order, cost, function(i) return W.inputs(order[i]) end, function(w, losses)
    add(all, losses, scored[w], 1, C)
  end)
  return judge(all, REPEATED), used
end

local function check_ahead(model, W, cost, scored)
  local before, at, order, cuts = changes(), changes(), shuffled(W.n), T.randint(1, C, { W.n }):tolist()
  local function mixed(i)
    local earlier, cut = i - 1 - (i - 1) % W.batch, cuts[i]
    local other = earlier > 0 and order[T.randint(1, earlier + 1, { 1 }):item()] or W.n + i
    return T.cat({ W.inputs(order[i]):narrow(1, 1, cut), W.inputs(other):narrow(1, cut + 1, C - cut) }, 1)
  end
  local used = pass(model, W, order, cost, mixed, function(w, losses, i)
    add(before, losses, scored[w], 1, cuts[i])
    add(at, losses, scored[w], cuts[i], cuts[i])
  end)
  judge(before, AHEAD)
  return judge(at, AHEAD), used
end

-- The time of the model in baselines.
local function check_time(seconds, cost, calls)
  local allowed = TIME * cost.each * calls + 3 * P.load
  if seconds > allowed then
    refuse("bad_metric", "scoring took %.3g s of CPU time; at most %g times the baseline's are allowed, here %.3g s", seconds,
      TIME, allowed)
  end
  return seconds / (cost.each * calls)
end

-- ---- the evaluation --------------------------------------------------------------------------------------------

local function checkpoint_head()
  local path = os.getenv("ERLUA_OUT") .. "/checkpoint.safetensors"
  local entries, message, numbers, text = erlua.safetensors.header(path)
  if not entries then error("there is no checkpoint that can be read: " .. message, 0) end
  check_size { numbers = numbers, text = text }
  return read(path, 1024 * 1024)
end

local function evaluate()
  local checkpoint, model = checkpoint_head(), read("model.lua", SOURCE)
  if #model > SOURCE then
    refuse("tampered", "model.lua has more than %d bytes; what a model knows belongs into its checkpoint", SOURCE)
  end
  local val = os.getenv("ERLUA_DATA") .. "/" .. P.file
  local ids = check(data.read_shard(val, { vocab = P.vocab, count = P.count })):to("i32")
  local seed = restricted.seed(ids:tobytes(), checkpoint, model)   -- whoever does not know the text does not know the probes
  T.manual_seed(seed)
  local W = windows_of(ids)
  local cost = baseline.cost(batch_of(W))
  rehearse(model, cost)
  local scored, loss, first = score(model, W, cost)
  local drift, second = check_repeated(model, W, cost, scored)
  local ahead, third = check_ahead(model, W, cost, scored)
  local times = check_time(first.seconds + second.seconds + third.seconds, cost, 3 * W.n // W.batch)
  return { val_loss = loss, bits_per_byte = P.vocab == 256 and loss / math.log(2) or nil, windows = W.n,
    numbers = first.numbers, times_baseline = times, drift = drift, ahead = ahead, probe_seed = seed }
end

local ok, result = pcall(evaluate)       -- no state of the model is left
if not ok and getmetatable(result) ~= Refusal then
  io.stderr:write("evaluate.lua: ", tostring(result), "\n")
  os.exit(1)
end
if not ok then result = { outcome = result.outcome, reason = result.reason:gsub("[^\32-\126]", "?") } end
local file = assert(io.open(os.getenv("ERLUA_METRICS"), "wb"))
assert(file:write(erlua.json.encode(result), "\n") and file:close())
