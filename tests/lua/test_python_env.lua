-- examples/python_env: its training leaves a model as data, and its evaluation believes nothing about it.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")

local FOLDER = t.source .. "/examples/python_env"
local TERM = '{"weight": 1, "powers": [1, 0, 0, 0]}'

-- Runs one of its scripts: status, stderr and the metrics file (nil when there is none).
local function run(script, folder)
  if not os.execute("python3 -c '' 2>/dev/null") then t.skip("there is no python3") end
  local metrics, log = folder .. "/metrics", folder .. "/log"
  local _, _, status = os.execute(string.format("cd %s && ERLUA_OUT=%s ERLUA_DATA=. ERLUA_METRICS=%s python3 -I %s 2>%s",
    t.quote(FOLDER), t.quote(folder), t.quote(metrics), script, t.quote(log)))
  local file = io.open(metrics, "rb")
  local bytes = file and file:read("a")
  if file then file:close() end
  return status, t.read(log), bytes
end

local function evaluate(model)
  local folder = t.tmpdir()
  if model then t.write(folder .. "/model.json", model) end
  return run("evaluate.py", folder)
end

t.test("the training as it is leaves a model that the evaluation scores", function()
  local folder = t.tmpdir()
  local status, message = run("train.py", folder)
  t.eq(status, 0, message)
  local evaluated, why, metrics = run("evaluate.py", folder)
  t.eq(evaluated, 0, why)
  t.match(metrics, '^{"test_rmse": 0%.73%d+}$')
end)

t.test("a model of the known form is scored", function()
  t.eq((evaluate("[" .. TERM .. "]")), 0)
  t.eq((evaluate("[" .. (TERM .. ","):rep(63) .. TERM .. "]")), 0)
end)

t.test("any other model is refused in words, without a score", function()
  local cases = {
    { "", "no model" }, { "[]", "1 to 64 terms" }, { "{}", "1 to 64 terms" }, { "[1]", "a term is not" }, { "\0", "no model" },
    { "[" .. (TERM .. ","):rep(64) .. TERM .. "]", "1 to 64 terms" }, { "[" .. TERM .. "] 1", "no model" },
    { '[{"weight": 1, "weight": 2, "powers": [1, 0, 0, 0]}]', "twice" }, { '[{"weight": 1, "powers": [1, 0, 0]}]', "4 powers" },
    { '[{"weight": 1, "powers": [9, 0, 0, 0]}]', "beyond 8" }, { '[{"weight": "1", "powers": [1, 0, 0, 0]}]', "weight" },
    { '[{"weight": true, "powers": [1, 0, 0, 0]}]', "weight" }, { '[{"weight": NaN, "powers": [1, 0, 0, 0]}]', "NaN" },
    { '[{"weight": 1e999, "powers": [1, 0, 0, 0]}]', "weight" }, { '[{"weight": ' .. ("9"):rep(4000) .. ', "powers": [1, 0, 0, 0]}]', "weight" },
    { '[{"weight": 1, "powers": [1, 0, 0, 0], "code": "x"}]', "a term is not" }, { ("["):rep(60000), "no model" },
    { (" "):rep(70000), "larger than" }, { "\xFF\xFE", "no model" }, { nil, "no model" },
  }
  for _, case in pairs(cases) do
    local status, message, metrics = evaluate(case[1])
    t.eq(status, 1, message)
    t.match(message, case[2])
    t.no_match(message, "Traceback")
    t.eq(metrics, nil)
  end
end)

return t
