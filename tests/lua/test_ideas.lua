-- Ideas: reading them out of replies, and asking until there are enough.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local fake = dofile(t.source .. "/tests/lib/fake.lua")
local json = require("erlua.json")
local parse = require("erlua.ideas_parse")

local function texts(reply, cut_off)
  local out = {}
  for i, idea in ipairs(parse.ideas(reply, cut_off)) do out[i] = idea.text end
  return out
end

-- ---- reading --------------------------------------------------------------------------

t.test("ideas stand between tags, title first, with the trials that they build on", function()
  local ideas = parse.ideas("Here they are.\n\n<idea>\nTitle: More rounds\nBuilds on: 12, trial 7\nDescription: Go on longer.\n"
    .. "Changes: rounds = 20\n</idea>\n<idea>\nTitle: Fewer rounds\nBuilds on: none\nDescription: Stop early.\n</idea>\nGood luck!")
  t.eq(#ideas, 2)
  t.eq({ ideas[1].text, ideas[1].parents }, { "More rounds\nDescription: Go on longer.\nChanges: rounds = 20", { 12, 7 } })
  t.eq({ ideas[2].text, ideas[2].parents }, { "Fewer rounds\nDescription: Stop early.", {} })
end)

t.test("missing end tags, list numbers, other tags and capitals are understood", function()
  local want = { "the first idea", "the second one" }
  t.eq(texts("<idea>the first idea\n<idea>the second one"), want)
  t.eq(texts("1. <idea>the first idea</idea>\n2. <idea>the second one</idea>"), want)
  t.eq(texts("1. <idea>the first idea\n2. <idea>the second one"), want)
  t.eq(texts("<Idea 1>the first idea</IDEA> <idea id=\"2\">the second one</idea>"), want)
  t.eq(texts("[Experiment]\nthe first idea\n[End]\n[Experiment]\nthe second one\n[End]"), want)
  t.eq(texts("I put each between <idea> tags.\n<idea>the first idea</idea><idea>the second one</idea>"), want)
end)

t.test("headings and numbered lists are understood", function()
  t.eq(texts("Sure!\n\n## Idea 1: More rounds\nGo on longer.\n\n## Idea 2: Fewer\nStop **early** on."),
    { "More rounds\nGo on longer.", "Fewer\nStop **early** on." })
  t.eq(texts("**Idea 1: More rounds**\nGo on longer.\n**Idea #2** - Fewer of them\n"), { "More rounds\nGo on longer.", "Fewer of them" })
  t.eq(texts("1. **More rounds**: go on longer.\n   1. a detail\n2) Fewer rounds then.\n"),
    { "More rounds: go on longer.\n   1. a detail", "Fewer rounds then." })
  t.eq(texts("### 1. More rounds still\nLonger.\n### 2. Fewer rounds then\nShorter."), { "More rounds still\nLonger.", "Fewer rounds then\nShorter." })
end)

t.test("JSON is understood, in a fence and without, as texts and as objects", function()
  t.eq(texts('```json\n{"ideas": [{"title": "More rounds", "description": "Go on longer.", "builds_on": [3]}, "a second one then"]}\n```'),
    { "More rounds\nGo on longer.", "a second one then" })
  t.eq(parse.ideas('{"ideas": [{"title": "More rounds", "changes": ["a", "b"], "builds_on": 3}]}')[1].parents, { 3 })
  t.eq(texts('Here:\n[{"name": "More rounds", "changes": ["rounds = 20", "step = 1"]}]\nBye'), { "More rounds\nrounds = 20\nstep = 1" })
end)

t.test("a single idea with its parts but without tags is one; prose and refusals are none", function()
  t.eq(texts("**Title:** More rounds\n**Description:** Go on longer."), 
    { "More rounds\n**Description:** Go on longer." })
  t.eq(texts("I'm sorry, I can't help with that."), {})
  t.eq(texts(""), {})
  t.eq(texts("<idea></idea><idea>  </idea><idea>?!</idea>"), {})
  t.eq(texts("There are 2 ways: 1 and 2."), {})
end)

t.test("an idea that the end of the reply cuts off is not taken", function()
  local reply = "<idea>the first idea</idea><idea>the second is not who"
  t.eq(texts(reply, true), { "the first idea" })
  t.eq(#texts(reply), 2)
end)

t.test("control characters go, long ideas are cut at a whole character, and there are not too many", function()
  t.eq(texts("<idea>one\0two\27[31m three\rfour</idea>"), { "one two [31m three\nfour" })
  local long = texts("<idea>word " .. ("ü "):rep(20000) .. "</idea>")[1]
  t.ok(#long <= 8010 and utf8.len(long), #long .. " bytes")
  t.eq(#parse.ideas(("<idea>one more idea</idea>"):rep(1000)), 200)
end)

t.test("no reply makes the parser slow, raise or hang", function()
  for _, piece in ipairs { "<idea", "<idea>", "[", "{", "{\n", "\n[", "\n", " ", "*", "#", "a ", "a: ", "Title: ", "\nTitle: ", "1. a b c\n",
    "```json\n", "</idea>", "\xff" } do
    t.ok(#parse.ideas(piece:rep(100000)) <= 200)
  end
end)

-- ---- asking ------------------------------------------------------------------------------

local DRIVE = [[
local opt = erlua.options { env = "", n = 4, prompt = "first" }
local study = erlua.study(opt)
study:baseline()
for _, idea in ipairs(study:propose { n = opt.n, prompt = opt.prompt }) do study:trial(idea, { samples = 1, revisions = 0 }) end
]]

local function idea(words) return "<idea>\nTitle: " .. words .. "\nDescription: it may help to do that.\n</idea>\n" end

-- Asks with these replies; anything later is a patch that does not apply.
local function ask(replies, n, ...)
  local dir = t.tmpdir()
  replies[#replies + 1] = "no patch at all"
  t.write(dir .. "/replies.json", json.encode(replies))
  local server = fake.start(t, "openai", { args = { replies = dir .. "/replies.json" } })
  t.write(dir .. "/drive.lua", DRIVE)
  local r = t.run({ t.erlua, dir .. "/drive.lua", "--env", t.source .. "/tests/envs/shell", "--study", dir .. "/study", "--model",
    "openai:m@" .. server.url, "--n", tostring(n), ... }, { cwd = dir })
  t.eq(r.code, 0, r.err)
  local trials = json.decode(t.run({ t.erlua, "trials", dir .. "/study", "--json" }).out)
  table.remove(trials, 1)
  local replay = t.run { t.erlua, "replay", dir .. "/study" }
  t.eq({ replay.code, replay.err }, { 0, "" })
  return trials, json.decode(t.run({ t.erlua, "report", dir .. "/study", "--json" }).out).questions, server
end

-- How many ideas each question asked for.
local function wanted(server)
  local out = {}
  for _, q in ipairs(server.requests()) do out[#out + 1] = tonumber(q.body:match("exactly (%d+), each")) end
  return out
end

t.test("what is missing is asked for again, with what there is and why", function()
  local trials, questions, server = ask({ idea("Take the first way") .. idea("Take the second way"), idea("Turn it all around") }, 3)
  t.eq({ trials[1].idea, trials[3].idea }, { "Take the first way\nDescription: it may help to do that.", "Turn it all around\nDescription: it may help to do that." })
  t.eq(questions, { n = 2, wanted = 4, got = 3, duplicates = 0, refused = 0 })
  t.eq(wanted(server), { 3, 1 })
  local second = server.requests()[2].body
  t.match(second, "it held 2 of 3 ideas")
  t.match(second, "%- Take the second way")
end)

t.test("near-duplicates are dropped, counted and asked for again", function()
  local a = idea("Sort the circles by their size before they push each other away")
  local trials, questions, server = ask({ a .. a:upper():gsub("IDEA>", "idea>") .. a, a .. idea("Leave out every second circle and begin anew") }, 2)
  t.eq(questions, { n = 2, wanted = 3, got = 2, duplicates = 2 + 1, refused = 0 })
  t.match(server.requests()[2].body, "had been proposed before")
  t.eq(#trials, 2)
end)

t.test("ideas are asked for again twice at the most; what then is missing are trials with the reason", function()
  local trials, questions, server = ask({ "nothing", idea("The only idea there is"), "nothing", "nothing" }, 3)
  t.eq(wanted(server), { 3, 3, 2 })
  t.eq(questions.n, 3)
  t.eq({ trials[1].outcome, trials[2].outcome, trials[3].outcome }, { "no_idea", "no_idea", "no_idea" })
  t.eq({ trials[1].stage, trials[2].stage }, { "patch", "propose" })
  t.match(trials[2].reason, "^too few ideas after 2 further questions: no idea could be found")
end)

t.test("many ideas are asked for in growing rounds of calls, ten a call", function()
  local _, _, server = ask({ "nothing" }, 35)
  t.eq(wanted(server), { 10, 10, 10, 10, 10, 10, 5 }, "three rounds in vain are enough")
  local sent = server.requests()
  t.no_match(sent[1].body, "researchers at the same time")
  t.match(sent[2].body, "to 2 researchers at the same time")
end)

t.test("a refused call is not repeated, and no idea of it is made up", function()
  local trials, questions, server = ask({ { text = "", refusal = "not for me" } }, 4)
  t.eq({ #server.requests(), questions.refused, #trials }, { 1, 1, 4 })
  for _, x in ipairs(trials) do t.eq({ x.outcome, x.stage, x.reason }, { "no_idea", "propose", "refusal: not for me" }) end
end)

t.test("an answer that is cut is asked for with fewer ideas", function()
  local cut = { text = idea("Half of the truth") .. "<idea>the rest is", finish = "length" }
  local _, _, server = ask({ cut, cut, idea("One whole idea of it") .. idea("And another whole one") }, 4)
  local asked = wanted(server)
  t.eq({ asked[1], asked[2], asked[3], asked[4] }, { 4, 4, 2, 2 })
end)

t.test("more ideas than were asked for are left out", function()
  local trials = ask({ idea("Take the first way") .. idea("Try the second way") .. idea("Go the third way") }, 2)
  t.eq(#trials, 2)
end)

return t
