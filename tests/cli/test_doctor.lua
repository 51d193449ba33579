-- erlua doctor: what the machine offers, without giving away a key.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local json = require("erlua.json")

local function doctor(args, opts)
  return t.run({ t.erlua, "doctor", table.unpack(args or {}) }, opts)
end

local function data(opts, ...)
  local r = doctor({ "--json", ... }, opts)
  t.eq(r.err, "")
  return t.ok(json.decode(r.out)), r.code
end

-- A folder with programs of these names that run these shell lines, first in PATH.
local function with_programs(programs)
  local dir = t.tmpdir()
  for name, line in pairs(programs) do
    t.write(dir .. "/" .. name, "#!/bin/sh\n" .. line .. "\n")
    t.eq(t.run({ "chmod", "+x", dir .. "/" .. name }).code, 0)
  end
  return { PATH = dir .. ":" .. os.getenv("PATH") }
end

t.test("the page names sandbox, limits, GPUs, Slurm, keys, sources and kernel", function()
  local r = doctor()
  t.eq({ r.code, r.err }, { 0, "" })
  for _, words in ipairs { "^erlua %d", "\nLua sources ", "\nkernel +Linux ", "\nGPUs ", "\nbubblewrap ", "\nworks ", "\nwall ", "\ncpu ",
    "\nmemory ", "\nprocesses ", "\ndisk ", "\noutput ", "\nSlurm ", "\nkeys " } do t.match(r.out, words) end
end)

t.test("--json has the same as one document", function()
  local d, code = data()
  t.eq(code, 0)
  for _, name in ipairs { "wall", "cpu", "memory", "processes", "disk", "output" } do t.ok(d.limits[name], name) end
  t.eq(type(d.sandbox.works), "boolean")
  t.ok(d.cpus >= 1)
end)

t.test("a key is told by its name, and its value is nowhere", function()
  local env = { ANTHROPIC_API_KEY = "sk-very-secret", OPENAI_API_KEY = false }
  local r = doctor({}, { env = env })
  t.match(r.out, "ANTHROPIC_API_KEY is set\n +OPENAI_API_KEY is not set\n")
  t.no_match(r.out .. r.err, "very%-secret")
  t.no_match(r.out, "builtin:mutate")
  local d = data { env = env }
  t.eq(d.keys, { ANTHROPIC_API_KEY = true, OPENAI_API_KEY = false })
  t.eq(data({ env = { ANTHROPIC_API_KEY = "", OPENAI_API_KEY = false } }).keys.ANTHROPIC_API_KEY, false)
end)

t.test("a sandbox that is refused is told with what to do about it", function()
  local env = with_programs { bwrap = "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1" }
  local r = doctor({}, { env = env })
  t.match(r.out, "\nworks +no: ")
  t.match(r.out:gsub("%s+", " "), "setting up uid map: Permission denied.-user namespaces are refused here: allow them")
  local d = data { env = env }
  t.eq(d.sandbox.works, false)
  t.match(d.sandbox.reason, "%-%-no%-sandbox")
end)

t.test("GPUs and Slurm commands are found by their programs", function()
  local env = with_programs { ["nvidia-smi"] = "echo '0, NVIDIA H100, 81559 MiB'; echo '1, NVIDIA H100, 81559 MiB'",
    sbatch = "exit 0", squeue = "exit 0" }
  local d = data { env = env }
  t.eq(d.gpus, { { index = "0", name = "NVIDIA H100", memory = "81559 MiB" }, { index = "1", name = "NVIDIA H100", memory = "81559 MiB" } })
  t.eq({ d.slurm.sbatch, d.slurm.squeue }, { true, true })
  t.match(doctor({}, { env = env }).out, "\nGPUs +0: NVIDIA H100, 81559 MiB\n +1: NVIDIA H100, 81559 MiB\n")
  d = data { env = with_programs { ["nvidia-smi"] = "echo 'no driver'; exit 9" } }
  t.eq({ d.gpus, d.no_gpus }, { {}, "nvidia-smi fails: no driver" })
end)

t.test("the Lua sources are those of ERLUA_HOME, or the embedded ones where it has none", function()
  local d = data { env = { ERLUA_HOME = t.source } }
  t.eq(d.sources, { from = "folder", dir = t.source })
  local empty = t.tmpdir()
  d = data { env = { ERLUA_HOME = empty } }
  t.eq(d.sources, { from = "embedded", dir = empty })
end)

t.test("with a study its file is checked, and a damaged one is exit 1", function()
  local dir = t.tmpdir()
  t.eq(t.run({ t.erlua, "strategies/bestofn.lua", "--env", "circle_packing", "--epochs", "1", "--batch", "6", "--study", dir .. "/s" }, { cwd = dir }).code, 0)
  local d, code = data(nil, dir .. "/s")
  t.eq({ code, d.study.whole, d.study.reason }, { 0, true, json.null })
  local r = doctor { dir .. "/s" }
  t.match(r.out, "\nStudy\nfile +%S+/s/study%.db\nwhole +yes\n$")
  -- a page in the middle is overwritten: the first pages still open
  t.eq(t.run({ "sh", "-c", "n=$(stat -c %s s/study.db); dd if=/dev/zero of=s/study.db bs=4096 seek=$((n / 4096 / 2)) count=4 conv=notrunc" },
    { cwd = dir }).code, 0)
  r = doctor { dir .. "/s" }
  t.eq(r.code, 1, r.out)
  t.match(r.out .. r.err, "damaged")
end)

t.test("only when asked, models are asked: one tiny call each, and the key is nowhere", function()
  local fake = dofile(t.source .. "/tests/lib/fake.lua")
  local server = fake.start(t, "faults")
  local env = { MY_KEY = "very-secret-17", OPENAI_API_KEY = false, ANTHROPIC_API_KEY = false }
  doctor({}, { env = env })
  local good, bad = "openai:ok@" .. server.url .. "#key_env=MY_KEY", "anthropic:401@" .. server.url .. "#key_env=MY_KEY"
  t.eq(#server.requests(), 0)
  local d, code = data({ env = env }, "--online", "--model", good, "--model", bad)
  t.eq({ code, #server.requests() }, { 1, 2 })
  t.eq({ d.online[1].model, d.online[1].works, d.online[2].works }, { good, true, false })
  t.match(d.online[2].reason, "this is a 401 %(check the key%)")
  local r = doctor({ "--online", "--model", good }, { env = env })
  t.eq(r.code, 0, r.err)
  t.match(r.out, "\nOnline\nyes +openai:ok@%S+\n +answers in %d")
  t.no_match(r.out .. r.err, "secret")
  r = doctor({ "--online" }, { env = env })
  t.eq(r.code, 0)
  t.match(r.out, "none was asked: no key is set")
  t.eq(doctor({ "--model", good }).code, 2)
  local named = doctor { "--online", good }
  t.eq(named.code, 2)
  t.match(named.err, "is a model, not a study: write %-%-online %-%-model openai:")
end)

t.test("wrong usage is exit 2, a study that is not there exit 1, --help the usage", function()
  t.eq(doctor({ "a", "b" }).code, 2)
  t.eq(doctor({ "--jason" }).code, 2)
  t.eq(doctor({ "nowhere" }).code, 1)
  t.match(doctor({ "--help" }).out, "^usage: erlua doctor")
end)

return t
