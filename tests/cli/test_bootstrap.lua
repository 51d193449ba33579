-- bootstrap.sh, as far as it can be tried without installing anything.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")

-- Runs bootstrap.sh with stand-ins for other programs first in PATH, and variables if its first argument is a table.
local function bootstrap(stand_ins, ...)
  local args, environ, dir = { ... }, {}, t.tmpdir()
  if type(args[1]) == "table" then environ = table.remove(args, 1) end
  for name, body in pairs(stand_ins) do
    t.write(dir .. "/" .. name, "#!/bin/sh\n" .. body .. "\n")
    assert(os.execute("chmod +x " .. t.quote(dir .. "/" .. name)))
  end
  environ.PATH = dir .. ":" .. os.getenv("PATH")
  return t.run({ "bash", t.source .. "/bootstrap.sh", table.unpack(args) }, { cwd = "/", env = environ })
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

local NO_ROOT = { ["dpkg-query"] = "exit 1", id = "echo 1000", ["apt-get"] = "echo no network >&2; exit 100" }

local function without_sudo()
  if os.execute("command -v sudo > /dev/null") then t.skip("there is a sudo here") end
end

t.test("without root and without sudo it says what to run as root, once", function()
  without_sudo()
  local r = bootstrap(NO_ROOT, "run")
  t.eq(r.code, 1)
  t.match(r.err, "run 'apt%-get install gcc .*bubblewrap' as root %(there is no sudo%)")
  t.ok(not r.err:find("no network", 1, true), "nothing was tried")
end)

t.test("the text is got without root, and a person is told what root could do", function()
  without_sudo()
  local r = bootstrap(NO_ROOT, { XDG_CACHE_HOME = t.tmpdir() }, "text")
  t.eq(r.code, 1)
  t.match(r.err, "no network\n.*run 'apt%-get update' as root.*dict%-gcide could not be had")
  t.ok(not r.err:find("apt-get install", 1, true), "to install the package would not help")
end)

-- Runs `bootstrap.sh text` with a cache of its own and a stand-in for apt-get.
local function text(cache, apt_get)
  return bootstrap({ ["apt-get"] = apt_get, id = "echo 0" }, { XDG_CACHE_HOME = cache }, "text")
end

t.test("a text that cannot be had is said with what to do, and nothing is left", function()
  local cache = t.tmpdir()
  local r = text(cache, "echo no network >&2; exit 100")
  t.eq(r.code, 1)
  t.match(r.err, "no network\n.*dict%-gcide could not be had: .*any other text will do: %-%-text FILE")
  t.eq(t.run({ "find", cache, "-type", "f" }).out, "")
end)

t.test("a cache folder that erlua would not look at is not used, and without any place that is said", function()
  local home = t.tmpdir()
  local stand_ins = { ["apt-get"] = "exit 100", id = "echo 0" }
  local r = bootstrap(stand_ins, { XDG_CACHE_HOME = "relative", HOME = home }, "text")
  t.eq(r.code, 1)
  t.eq(t.run({ "ls", home .. "/.cache/erlua" }).out, "text\n")
  r = bootstrap(stand_ins, { XDG_CACHE_HOME = "", HOME = "" }, "text")
  t.eq(r.code, 1)
  t.match(r.err, "no place for the text: set HOME or XDG_CACHE_HOME")
end)

t.test("a text that is another one than Debian 12's is not taken", function()
  local cache, package = t.tmpdir(), t.tmpdir()
  t.write(package .. "/p/usr/share/dictd/gcide.dict", "another text\n")
  t.write(package .. "/p/DEBIAN/control", "Package: dict-gcide\nVersion: 1\nArchitecture: all\nMaintainer: Nobody\nDescription: words\n")
  assert(os.execute("cd " .. package .. " && chmod 755 p/DEBIAN && gzip -c p/usr/share/dictd/gcide.dict > p/usr/share/dictd/gcide.dict.dz && dpkg-deb -b p dict-gcide_1_all.deb > /dev/null"))
  local r = text(cache, "cp " .. package .. "/dict-gcide_1_all.deb .")
  t.eq(r.code, 1)
  t.match(r.err, "is not the one of Debian 12")
  t.eq(t.run({ "find", cache, "-type", "f" }).out, "")
end)

return t
