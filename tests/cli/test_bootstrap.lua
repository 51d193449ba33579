-- bootstrap.sh, as far as it can be tried without installing anything.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")

-- Runs bootstrap.sh with stand-ins for other programs first in PATH.
local function bootstrap(stand_ins, ...)
  local dir = t.tmpdir()
  for name, body in pairs(stand_ins) do
    t.write(dir .. "/" .. name, "#!/bin/sh\n" .. body .. "\n")
    assert(os.execute("chmod +x " .. t.quote(dir .. "/" .. name)))
  end
  return t.run({ "bash", t.source .. "/bootstrap.sh", ... }, { cwd = "/", env = { PATH = dir .. ":" .. os.getenv("PATH") } })
end

t.test("an unknown verb or none is wrong usage", function()
  for _, args in ipairs { {}, { "build" }, { "test", "extra" } } do
    local r = bootstrap({}, table.unpack(args))
    t.eq(r.code, 2)
    t.match(r.err, "usage: bash bootstrap.sh run")
  end
end)

t.test("missing packages are listed before anything is installed, and a failure says why", function()
  local r = bootstrap({ ["dpkg-query"] = "exit 1", id = "echo 0", ["apt-get"] = "echo \"apt-get $*\" >&2; exit 100", cmake = "exit 99" }, "test")
  t.eq(r.code, 1)
  t.match(r.err, "installing the missing packages %(%d+%): gcc .*liblua5%.4%-dev.*bubblewrap.*libcmocka%-dev")
  t.match(r.err, "could not install gcc .*no network, or another apt")
  t.ok(r.err:find("installing", 1, true) < r.err:find("apt-get -q", 1, true), "the list comes first")
end)

t.test("a sudo that refuses is a failed installation", function()
  local r = bootstrap({ ["dpkg-query"] = "exit 1", id = "echo 1000", sudo = "exit 1" }, "run")
  t.eq(r.code, 1)
  t.match(r.err, "could not install")
end)

t.test("a failed configuration is named", function()
  local r = bootstrap({ ["dpkg-query"] = "echo installed", cmake = "echo broken >&2; exit 1" }, "run")
  t.eq(r.code, 1)
  t.match(r.err, "broken\nbootstrap: cmake refused the configuration")
end)

return t
