-- Prompts: templates, and what they show of an environment and of trials.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local prompt = require("erlua.prompt")
local view = require("erlua.ideas_view")
local env = require("erlua.env")
local rig = dofile(t.source .. "/tests/lib/rig.lua")

t.test("a template is filled by name, values as they are", function()
  t.eq(prompt.fill("{{a}} and {{ b }}", { a = "x", b = 3 }), "x and 3")
  t.eq(prompt.fill("{{a}}", { a = "%1 {{b}} %0" }), "%1 {{b}} %0")
  t.raises(function() prompt.fill("{{a}}", {}) end, "{{a}} was not given")
end)

t.test("a line whose name has no value goes, with the empty line that it leaves", function()
  t.eq(prompt.fill("one\n\n{{a}}\n\ntwo\n", { a = "" }), "one\n\ntwo")
  t.eq(prompt.fill("- the check is `{{a}}`\n- next {{b}}\n", { a = "", b = "x" }), "- next x")
  t.eq(prompt.fill("{{a}}\n\nend", { a = "" }), "end")
  t.eq(prompt.fill("code\n\n\n\nmore {{a}}", { a = "x" }), "code\n\n\n\nmore x", "empty lines of its own stay")
end)

t.test("every prompt of erlua is there, and holds only names that it may", function()
  local all = assert(prompt.all())
  for name in pairs(prompt.NAMES) do t.ok(all[name] and #all[name] > 10, name) end
  for name, names in pairs(prompt.NAMES) do
    for _, n in ipairs(names) do t.ok(all[name]:find("{{" .. n .. "}}", 1, true), name .. ".md does not use {{" .. n .. "}}") end
  end
end)

local function environment(fields, files, idea)
  local dir = t.tmpdir()
  for path, bytes in pairs(rig.env(idea or "echo one\n\necho three\n", fields, files)) do t.write(dir .. "/" .. path, bytes) end
  return view.environment(assert(prompt.all()), assert(env.load(dir)))
end

t.test("the environment's code is numbered line by line, and frozen files are named and withheld", function()
  local text = environment({ about = '"Numbers are better when they are large."', check = '{ "sh", "check.sh" }' })
  t.match(text, "\n## idea%.sh\n\n   1| echo one\n   2| \n   3| echo three$")
  t.match(text, "Numbers are better when they are large")
  t.match(text, "metric `score` as large as possible")
  t.match(text, "`sh check%.sh`")
  t.match(text, "evaluate%.sh")
  t.no_match(text, "is no number")
  t.no_match(text, "hidden", "a file that the evaluation alone sees")
  t.no_match(text, "{{")
end)

t.test("a region, a budget and limits are said where there are any", function()
  local region = "# R-START\necho 1\n# R-END\n"
  local text = environment({ region = '"R"', budget = '{ cpu = "90s" }', limits = '{ wall = "5m", memory = "1G", gpus = 2 }', direction = '"min"' }, nil, region)
  t.match(text, "between R%-START and R%-END")
  t.match(text, "ended after 1m30s of CPU time")
  t.match(text, "ended after 5m00s as a failure")
  t.match(text, "GPUs: 2")
  t.match(text, "as small as possible")
  local without = environment()
  for _, word in ipairs { "R%-START", "GPUs", "CPU time", "Memory" } do t.no_match(without, word) end
end)

t.test("the part that never changes is the same for every prompt of a study", function()
  t.eq(environment(), environment())
end)

t.test("files that are no text, or no UTF-8, do not spoil the prompt", function()
  local text = environment({ editable = '{ "idea.sh", "*.bin" }' }, { ["a.bin"] = "x\0y", ["b.bin"] = "caf\xe9 {{code}}\n" })
  t.match(text, "## a%.bin\n\n%(3 B, not text%)")
  t.match(text, "   1| caf\u{FFFD} {{code}}")
  t.ok(utf8.len(text))
end)

-- A study as far as a view looks at it.
local function study_of(trials)
  local room = {}
  function room:read(id) return trials[id] end
  return { trial_room = room, store = { query = function() return {} end } }
end

local function ids_of(trials)
  local ids = {}
  for i in ipairs(trials) do ids[i] = i end
  return { ids = ids }
end

t.test("parents are listed the best first with their rewards, failures with their reasons", function()
  local trials = {
    { id = 1, prompt = "baseline", idea = "baseline", outcome = "ok", reward = 1.0, stage = "evaluate", reason = "" },
    { id = 2, prompt = "first", idea = "The second\nidea", outcome = "ok", reward = 1.5, stage = "evaluate", reason = "" },
    { id = 3, prompt = "first", idea = "The third", outcome = "ok", reward = 2.5, stage = "evaluate", reason = "" },
    { id = 4, prompt = "first", idea = "The fourth", outcome = "check_failed", stage = "check", reason = "exit code 1:\nno \27[31mway" },
  }
  local v = view.new(study_of(trials), ids_of(trials))
  t.eq(v:parents(), "3. reward 2.5: The third\n2. reward 1.5: The second idea\n4. check failed at check (exit code 1: no [31mway): The fourth")
  t.eq({ v:knows(3), v:knows(1), v:knows(9) }, { true, false, false })
end)

t.test("long lists are cut to a number of tokens: the best parents stay", function()
  local trials = {}
  for i = 1, 400 do
    trials[i] = { id = i, prompt = "first", idea = "number " .. i .. (" and so on"):rep(100), outcome = "ok", reward = i + 0.5, stage = "evaluate", reason = "" }
  end
  local v = view.new(study_of(trials), ids_of(trials))
  local text = v:parents()
  t.ok(#text < 50000, #text .. " bytes")
  t.match(text, "^400%. reward 400%.5: number 400 ")
  t.ok(v:knows(400) and not v:knows(1))
  local told = {}
  for i = 1, 2000 do told[i] = "idea " .. i .. (" word"):rep(50) end
  local avoid = view.avoid(assert(prompt.all()), told, {})
  t.ok(#avoid < 25000, #avoid .. " bytes")
  t.match(avoid, "\n%- idea 2000 ")
  t.no_match(avoid, "\n%- idea 1 ")
end)

return t
