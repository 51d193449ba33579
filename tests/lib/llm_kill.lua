-- llm_kill.lua: a study that asks a counting server, killed with SIGKILL at random moments
-- until it has been killed often enough; then what must hold is checked.
--
--   local kill = dofile(t.source .. "/tests/lib/llm_kill.lua")(t)
--   kill.run(KILLS)  -> a line for people

local json = require("erlua.json")

-- Every reply says which question it answers: the prompt, and the seed, which tells samples apart.
local SERVER = [[
local openai = require("openai")
return function(req, res)
  local body = json.decode(req.body)
  local name = body.messages[1].content
  name = name .. (body.seed and "#" .. body.seed or "")
  local n = 0
  for c in name:gmatch(".") do n = (n * 31 + c:byte()) % 997 end
  res:sleep(n % 7 * 0.01)
  openai.answer(req, res, { text = "<" .. name .. ">" .. ("word "):rep(n % 50), pieces = 5, pause = n % 3 * 0.004 }, body)
end
]]

-- Questions one after the other and many at once, samples of which some are cancelled, trials
-- whose number hangs on the replies.
local SCRIPT = [[
local opt = erlua.options { env = "x", llm = "", rounds = 6 }
local study = erlua.study(opt)
local llm = erlua.llm(opt.llm)
study:baseline()
for round = 1, opt.rounds do
  local words = #assert(llm:chat("round " .. round)).text
  local ideas = study:propose { n = 2 + words % 2 }
  erlua.map(ideas, function(idea)
    local taken = 0
    for i, reply in llm:samples({ prompt = "idea " .. idea.id, seed = 100 * idea.id, trial = idea.id }, 5) do
      taken = taken + #reply.text
      if i % 3 == 0 then break end
    end
    erlua.timeout(0.02, llm.chat, llm, "late " .. idea.id)
    if taken % 5 > 0 then study:trial(idea) end
  end)
end
]]

return function(t)
  local engine = dofile(t.source .. "/tests/lib/engine.lua")(t)
  local fake = dofile(t.source .. "/tests/lib/fake.lua")
  local M = {}

  local function question(body)
    local b = assert(json.decode(body))
    return b.messages[1].content .. (b.seed and "#" .. b.seed or "")
  end

  -- The questions whose replies are in the journal.
  local function recorded(dir)
    local out = {}
    if not t.read(dir .. "/study.db") then return out end
    local ok, rows = pcall(engine.sql, dir, "SELECT result FROM effects WHERE kind = 'chat'")
    for name in (ok and rows or ""):gmatch('"text":"<([^>]*)>') do out[name] = true end
    return out
  end

  -- A question is sent a second time only after a kill that came before its reply was recorded.
  local function check(requests, kills)
    local last, again = {}, 0
    for i, r in ipairs(requests) do
      local name = question(r.body)
      for _, k in ipairs(kills) do
        if i > k.sent and k.recorded[name] then error("'" .. name .. "' was asked again although its reply was in the journal") end
      end
      if last[name] then
        local killed = false
        for _, k in ipairs(kills) do killed = killed or last[name] <= k.sent and i > k.sent end
        if not killed then error("'" .. name .. "' was asked twice by one engine") end
        again = again + 1
      end
      last[name] = i
    end
    return again
  end

  ---@param least integer
  ---@param wanted integer  kills
  ---@param rounds integer
  function M.run(least, wanted, rounds)
    local dir, server, study, kills
    local function new()
      dir, server, kills = t.tmpdir(), fake.start(t, SERVER), {}
      study = dir .. "/s"
      return { t.write(dir .. "/ask.lua", SCRIPT), "--env", engine.env, "--slots", "2", "--study", study, "--rounds", tostring(rounds),
        "--llm", "openai:m@" .. server.url }
    end
    -- What the dead engine has sent may still be on its way to the log.
    local function drained() return server.stats().open == 1 end
    engine.kill_often(new, least, wanted, { after = function()
      t.await("the server has read all that was sent", drained)
      kills[#kills + 1] = { sent = #server.requests(), recorded = recorded(study) }
    end })
    local requests = server.requests()
    local again = check(requests, kills)
    t.eq(engine.sql(study, "SELECT count(*) FROM calls WHERE state = 'open'"), "0")
    local rows = math.tointeger(tonumber(engine.sql(study, "SELECT sum(requests) FROM calls")))
    t.ok(rows <= #requests + #kills * 20 and rows >= #requests - #kills * 20, rows .. " requests in the ledger, " .. #requests .. " at the server")
    local before = engine.run { "trials", study, "--json" }.stdout
    server.stop()
    assert(os.execute("mkdir " .. t.quote(dir .. "/copy")))
    local r = engine.run { "replay", study, "--keep", dir .. "/copy/study.db" }
    t.eq({ r.code, r.stderr }, { 0, "" }, "replay without the server")
    t.eq(engine.run({ "trials", dir .. "/copy", "--json" }).stdout, before)
    return string.format("%d kills, %d requests, %d of them asked again: none whose reply was recorded", #kills, #requests, again), #kills
  end

  return M
end
