-- What hostile code in a job tries, and does not get: a better score, secrets, a way
-- out.  Each attack first shows that it ran; where it can, the same attack is tried
-- without the sandbox, so that a test cannot pass because its attack is broken.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local rig = dofile(t.source .. "/tests/lib/rig.lua")

-- Runs the script as the training of a baseline; the honest answer is 1, and what the
-- script says is in the job's log.
local function attack(script, opts)
  opts = opts or {}
  rig.needs_sandbox(t)
  script = "exec 1>&2\necho 1 > \"$ERLUA_OUT/answer\"\n" .. script .. "\nexit 0\n"
  return rig.study(t, { env = rig.env(script, opts.fields, opts.files), environ = opts.environ, dir = opts.dir, args = opts.args })
end

local function is_root() return t.run({ "id", "-u" }).out == "0\n" end

-- The trial went well and scored what its artifact is worth.
local function honest(r)
  t.eq({ r.baseline.outcome, r.baseline.reason, r.baseline.reward }, { "ok", "", 1.0 }, r.err)
  return r.baseline.jobs.train.log
end

-- The trial ended as tampered, before its evaluation began.
local function tampered(script, name)
  local r = attack(script)
  t.eq({ r.baseline.outcome, r.baseline.stage }, { "tampered", "train" }, r.err)
  t.match(r.baseline.reason, name)
  t.eq(r.baseline.reward, nil)
  t.eq(r.baseline.jobs.evaluate, nil)
end

-- ---- the score -------------------------------------------------------------------------

t.test("a score.lua left by training beside the evaluation is not there", function()
  local r = attack([[
    for d in . "$ERLUA_OUT" /tmp; do
      echo 'return function() return 999 end' > $d/helper.lua && echo "left $d/helper.lua"
      echo 'return function() return 999 end' > $d/score.lua || echo "score.lua is frozen in $d"
    done]], {
    fields = { evaluate = '{ "erlua", "evaluate.lua" }', editable = '{ "idea.sh" }' },
    files = { ["score.lua"] = "return function(s) return tonumber(s) end\n",
      ["evaluate.lua"] = [[
        local helper = pcall(require, "helper") and 100 or 0
        local score = require("score")(io.open(os.getenv("ERLUA_OUT") .. "/answer"):read("l"))
        io.open(os.getenv("ERLUA_METRICS"), "w"):write('{"score":', score + helper, "}")]] } })
  local log = honest(r)
  t.eq(r.baseline.jobs.evaluate.log, "")
  t.match(log, "score.lua: Read%-only file system")
end)

t.test("a json.py left by training beside the evaluation is not imported", function()
  if not t.read("/usr/bin/python3") then t.skip("there is no /usr/bin/python3") end
  local r = attack([[
    for d in . "$ERLUA_OUT" /tmp; do
      for m in json score; do printf 'def dump(*a): open("/erlua/metrics","w").write("{\\"score\\":999}")\nrate = lambda s: 999\n' > $d/$m.py; done
      mkdir -p $d/__pycache__ && cp $d/json.py $d/__pycache__/score.pyc && echo "left $d"
    done]], {
    fields = { evaluate = '{ "/usr/bin/python3", "evaluate.py" }' },
    files = { ["score.py"] = "rate = lambda s: float(s)\n",
      ["evaluate.py"] = [[
import json, os, score
with open(os.environ["ERLUA_OUT"] + "/answer") as f: value = score.rate(f.read())
with open(os.environ["ERLUA_METRICS"], "w") as f: json.dump({"score": value}, f)
]] } })
  t.match(honest(r), "score.py: Read%-only file system")
end)

t.test("a module that a patch makes does not take the place of erlua's own", function()
  rig.needs_sandbox(t)
  local fake = "return { encode = function() return '{\"score\":999}' end, decode = function() return { score = 999 } end }\n"
  local r = rig.study(t, { env = rig.env("echo 1 > \"$ERLUA_OUT/answer\"\n", {
    editable = '{ "idea.sh", "erlua/**", "lua/**", "json/**" }', evaluate = '{ "erlua", "evaluate.lua" }' }, {
    ["evaluate.lua"] = [[
      local answer = tonumber(io.open(os.getenv("ERLUA_OUT") .. "/answer"):read("l"))
      io.open(os.getenv("ERLUA_METRICS"), "w"):write(require("erlua.json").encode { score = answer })]] }),
    replies = { rig.whole("erlua/json.lua", fake) .. rig.whole("lua/erlua/json.lua", fake) .. rig.whole("lua/erlua/init.lua", fake) } })
  t.eq({ r.trials[2].outcome, r.trials[2].reward }, { "ok", 1.0 }, r.trials[2].reason)
end)

t.test("a metrics file that training made is not the evaluation's", function()
  local r = attack([[
    for f in metrics ../metrics "$ERLUA_OUT/metrics" "$ERLUA_OUT/../metrics" "$ERLUA_OUT/metrics.json" /erlua/metrics /tmp/metrics "$ERLUA_CURVE"; do
      echo '{"score":999}' > "$f" && echo "wrote $f"
    done
    echo "$ERLUA_METRICS"; env | grep METRICS]])
  local log = honest(r)
  t.match(log, "/erlua/metrics: Read%-only file system")
  t.match(log, "%.%./metrics: Read%-only file system")
end)

t.test("without metrics of the evaluation there is no score, whatever training wrote", function()
  local r = attack("echo '{\"score\":999}' | tee metrics > \"$ERLUA_OUT/metrics\"", { files = { ["evaluate.sh"] = "exit 0\n" } })
  t.eq({ r.baseline.outcome, r.baseline.stage, r.baseline.reward }, { "bad_metric", "evaluate" })
  t.match(r.baseline.reason, "wrote no metrics")
end)

t.test("a score that is printed is only a log", function()
  local r = attack("echo '{\"score\":999}'; echo 'score: 999' >&2; echo '{\"score\":999}' >> \"$ERLUA_CURVE\"")
  t.match(honest(r), "score: 999")
end)

-- A word that no other process of the machine has among its arguments.
local function own_word() return "stays-" .. t.tmpdir():match("[^.]*$") end

t.test("a process that stays behind does not see the evaluation", function()
  local word = own_word()
  local r = attack(([[
    cat > stay.sh <<'END'
      trap '' TERM HUP INT
      while :; do
        echo '{"score":999}' > /erlua/metrics; echo 999 > /erlua/out/answer; echo 999 > /work/evaluate.sh; sleep 0.01
      done 2>/dev/null
END
    setsid sh -c 'sh stay.sh @1 & sh stay.sh @2 &' &
    (setsid sh stay.sh @3 > /dev/null 2>&1 < /dev/null & )
    for n in 1 2 3; do until pgrep -f "^sh stay.sh @$n" > /dev/null; do sleep 0.01; done; done; echo "they run"
    sed -i s/999/1/ "$ERLUA_OUT/answer"; exit 0]]):gsub("@", word), {
    files = { ["evaluate.sh"] = "sleep 0.3; test -e /tmp/x && exit 9\necho '{\"score\": 1}' > \"$ERLUA_METRICS\"; sleep 0.2\n" } })
  t.match(honest(r), "they run")
  for n = 1, 3 do t.eq(rig.process_with(t, word .. n), false) end
end)

t.test("a process that the evaluation leaves behind is gone before its metrics are read", function()
  local word = own_word()
  local r = attack("", { files = { ["evaluate.sh"] = ([[
    setsid sh -c ': > /tmp/here; while :; do sleep 5; echo "{\"score\":999}" > /erlua/metrics; done' @ &
    until test -e /tmp/here; do sleep 0.01; done
    echo '{"score": 1}' > "$ERLUA_METRICS"]]):gsub("@", word) } })
  honest(r)
  t.eq(rig.process_with(t, word), false)
end)

t.test("the evaluation cannot change the artifact that is kept", function()
  local r = attack("", { files = { ["evaluate.sh"] = [[
    echo 999 > "$ERLUA_OUT/answer"; rm "$ERLUA_OUT/answer"; mv "$ERLUA_OUT/answer" /tmp
    echo "{\"score\": $(cat "$ERLUA_OUT/answer")}" > "$ERLUA_METRICS"]] } })
  honest(r)
  t.match(r.baseline.jobs.evaluate.log, "Read%-only file system")
  t.eq(t.read(r.dir .. "/study/artifacts/1/answer"), "1\n")
end)

t.test("an evaluation that ends badly gives no score, also when it wrote one", function()
  local r = attack("", { files = { ["evaluate.sh"] = "echo '{\"score\": 5}' > \"$ERLUA_METRICS\"; echo 'out of range' >&2; exit 7\n" } })
  t.eq({ r.baseline.outcome, r.baseline.stage, r.baseline.reward, r.baseline.metrics }, { "crash", "evaluate" })
  t.match(r.baseline.reason, "exit code 7: out of range")
end)

t.test("training that leaves no artifact is no score", function()
  local r = attack("rm \"$ERLUA_OUT/answer\"")
  t.eq({ r.baseline.outcome, r.baseline.stage, r.baseline.reward }, { "crash", "evaluate" })
  t.match(r.baseline.reason, "exit code 3: .*answer")
end)

-- ---- the artifact -------------------------------------------------------------------------

for _, case in ipairs {
  { "a link to the evaluation's data", "rm $ERLUA_OUT/answer; ln -s /erlua/data/hidden.txt $ERLUA_OUT/answer", "answer" },
  { "a link to a secret of the machine", "ln -s /etc/shadow $ERLUA_OUT/more", "more" },
  { "a link to a folder", "ln -s / $ERLUA_OUT/folder", "folder" },
  { "a link to nothing, deep inside", "mkdir -p $ERLUA_OUT/a/b; ln -s nothing $ERLUA_OUT/a/b/.c", "a/b/%.c" },
  { "a link to itself in the artifact", "ln -s answer $ERLUA_OUT/same", "same" },
  { "a pipe", "mkfifo $ERLUA_OUT/pipe", "pipe" },
  { "a socket", "perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => \"$ENV{ERLUA_OUT}/sock\", Listen => 1) or die'", "sock" },
  { "a file that runs as its owner", "cp /bin/true $ERLUA_OUT/tool; chmod u+s $ERLUA_OUT/tool", "tool" },
  { "folders without end", "cd $ERLUA_OUT; for i in $(seq 100); do mkdir d; cd d; done", "nested" },
  { "a name that is no text", "ln -s / \"$(printf \"$ERLUA_OUT/a\\377\\nb\")\"", "a.*b" },
} do
  t.test("an artifact with " .. case[1] .. " is tampered", function() tampered(case[2], case[3]) end)
end

t.test("a job makes no device files", function()
  t.match(honest(attack("mknod $ERLUA_OUT/disk b 8 0; mknod disk c 1 1; ls $ERLUA_OUT")), "not permitted")
end)

t.test("the artifact folder itself cannot be replaced by a link", function()
  t.match(honest(attack("rm -r $ERLUA_OUT; mv $ERLUA_OUT /tmp/x; ln -sfn /erlua/data $ERLUA_OUT; rm -f $ERLUA_OUT/data; echo 1 > $ERLUA_OUT/answer")),
    "cannot remove '/erlua/out'")
end)

-- ---- what a job can read --------------------------------------------------------------------

t.test("training and check do not see the data of the evaluation", function()
  local look = "for f in hidden.txt /erlua/data /erlua/data/hidden.txt; do cat $f && echo \"got $f\"; done; "
    .. "grep -rqs 'the hidden answer$' /work /erlua /tmp /var /home /mnt && echo 'found it'; test -n \"$ERLUA_DATA\" && echo 'it is told where'; echo looked >&2\n"
  local r = attack(look, { fields = { check = '{ "sh", "check.sh" }' }, files = { ["check.sh"] = look,
    ["evaluate.sh"] = "grep -rqs 'the hidden answer$' /erlua && grep -q 'the hidden answer' $ERLUA_DATA/hidden.txt && echo '{\"score\":1}' > $ERLUA_METRICS\n" } })
  honest(r)
  for _, stage in ipairs { "check", "train" } do
    t.match(r.baseline.jobs[stage].log, "No such file")
    for _, got in ipairs { "got ", "found it", "it is told" } do t.no_match(r.baseline.jobs[stage].log, "\n" .. got) end
    t.match(r.baseline.jobs[stage].log, "\nlooked\n")
  end
end)

t.test("secrets of the machine, home folders and other studies cannot be read", function()
  local dir, other = t.tmpdir(), t.tmpdir()
  t.write(other .. "/study/study.db", "another study\n")
  local script = ("for f in /etc/shadow /etc/ssh /root /home /var /srv /mnt /run /sys /boot %s/study/study.db %s/study %s/env %s/drive.lua; do ls -d $f && echo \"there: $f\"; done; echo looked"):format(other, dir, dir, dir)
  local r = attack(script, { dir = dir })
  t.match(honest(r), "No such file")
  t.no_match(r.baseline.jobs.train.log, "there:")
  local outside = t.run({ "sh", "-c", script }).out                              -- the attack as such works
  for _, path in ipairs { other .. "/study/study.db", dir .. "/study", dir .. "/drive.lua" } do
    t.ok(outside:find("there: " .. path .. "\n", 1, true), path)
  end
end)

t.test("the engine's environment and processes are out of reach", function()
  local r = attack([[
    cat /proc/*/environ | tr '\0' '\n' | grep 'a key of the provider' && echo "read it"
    ls /proc/1/root/etc/shadow && echo "through /proc/1/root"
    echo "processes: $(ls -d /proc/[0-9]* | wc -l)"; ls -l /proc/1/fd /proc/1/cwd
    kill -9 1 $PPID; env | sort; echo survived]], { environ = { SOME_API_KEY = "a key of the provider" } })
  local log = honest(r)
  for _, got in ipairs { "read it", "through /proc", "API_KEY", "drive%.lua" } do t.no_match(log, got) end
  t.match(log, "processes: %d\n.*survived\n$")
end)

t.test("nothing of the engine's environment is in the study's files", function()
  local r = attack("", { environ = { SOME_API_KEY = "a-key-of-the-provider" } })
  honest(r)
  t.eq(t.run({ "grep", "-rls", "a-key-of-the-provider", r.dir }).out, "")
end)

-- ---- the network ----------------------------------------------------------------------------

-- A server that listens in three ways and counts who came.
local SERVER = [[
use IO::Socket::INET; use IO::Socket::UNIX; use IO::Select; use Socket;
my ($dir, $path) = @ARGV;
my $tcp = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1") or die "tcp: $!";
my $unix = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die "unix: $!";
my $abstract = IO::Socket::UNIX->new(Local => "\0$path", Listen => 5) or die "abstract: $!";
open(my $f, ">", "$dir/port.part"); print $f $tcp->sockport; close $f; rename "$dir/port.part", "$dir/port";
my $all = IO::Select->new($tcp, $unix, $abstract);
my $end = time + 900;
while (time < $end && -e "$dir" && !-e "$dir/stop") {
  for my $s ($all->can_read(0.2)) { my $c = $s->accept; print $c "hello\n"; close $c }
}
unlink $path;
]]
local CLIENT = [[
use IO::Socket::INET; use IO::Socket::UNIX;
my ($port, $path) = @ARGV;
sub try { my ($what, $s) = @_; my $line = $s ? <$s> : undef; print "$what ", defined $line ? "reached" : "shut", "\n" }
try("tcp", IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $port, Timeout => 2));
try("unix", IO::Socket::UNIX->new(Peer => $path));
try("abstract", IO::Socket::UNIX->new(Peer => "\0$path"));
]]

t.test("neither the network nor a Unix socket of the host is reached, by path or by abstract name", function()
  rig.needs_sandbox(t)
  local dir = t.tmpdir()
  local path = (is_root() and "/run" or dir) .. "/erlua-test-" .. dir:match("[^.]*$") .. ".sock"
  t.write(dir .. "/server.pl", SERVER)
  t.write(dir .. "/client.pl", CLIENT)
  os.execute("perl " .. t.quote(dir .. "/server.pl") .. " " .. t.quote(dir) .. " " .. t.quote(path) .. " >/dev/null 2>&1 </dev/null &")
  local port = t.await("the server listens", function() return t.read(dir .. "/port") end)
  local outside = t.run { "perl", dir .. "/client.pl", port, path }
  local r = attack("perl client.pl " .. port .. " " .. path .. "\ngetent hosts example.org || echo 'no names'; ip route 2>/dev/null; ls /sys/class/net 2>/dev/null\n",
    { files = { ["client.pl"] = CLIENT } })
  t.write(dir .. "/stop", "")
  t.eq(outside.out, "tcp reached\nunix reached\nabstract reached\n")
  t.match(honest(r), "tcp shut\nunix shut\nabstract shut\nno names")
end)

-- ---- what a job can write -------------------------------------------------------------------

t.test("the frozen files, their snapshot and the running erlua cannot be written", function()
  rig.needs_sandbox(t)
  local dir = t.tmpdir()
  local r = attack(([[
    for f in evaluate.sh env.lua /erlua/bin/erlua /usr/bin/env /bin/sh /etc/passwd; do
      (echo 'echo "{\"score\":999}" > $ERLUA_METRICS' > $f) && echo "wrote $f"
      chmod 777 $f && echo "changed $f"; rm -f $f && ! test -e $f && echo "removed $f"
      mv -f idea.sh $f && echo "moved over $f"; ln -f $f $ERLUA_OUT/x && echo "linked $f"; truncate -s 0 $f && echo "cut $f"
      test -e idea.sh || echo "" > idea.sh
    done 2> /dev/null
    for f in study.db snapshot/evaluate.sh; do echo x 2> /dev/null > %s/study/$f && echo "wrote $f"; done
    for d in / /erlua /erlua/bin /dev /etc /usr; do (echo x > $d/x) 2>&1 && echo "wrote $d/x"; done
    mount -o remount,rw /work/evaluate.sh; umount -l /work/evaluate.sh; umount /work
    perl -e 'print "unshare: ", syscall(272, 0x10000000) == 0 ? "yes" : "no", "\n"']]):format(dir), { dir = dir })
  local log = honest(r)
  for _, got in ipairs { "wrote ", "changed ", "removed ", "moved over ", "linked ", "cut " } do t.no_match(log, "\n" .. got) end
  t.match(log, "unshare: no\n")
  t.match(t.read(dir .. "/study/snapshot/evaluate.sh"), "^answer=")
end)

t.test("settings of the kernel cannot be changed, also when erlua runs as root", function()
  local log = honest(attack([[
    perl -e 'my $n = 0;
      for my $f (glob("/proc/sys/*/*"), glob("/proc/sys/*/*/*"), "/proc/sysrq-trigger", glob("/proc/irq/*/*")) {
        next unless -f $f; $n++;
        print "open for writing: $f\n" if open(my $h, "+<", $f);
      }
      print "tried ", $n > 50 ? "many" : $n, "\n"']]))
  t.eq(log, "tried many\n")
end)

t.test("the machine's device files keep their modes and still work", function()
  local log = honest(attack([[
    for f in null zero full random urandom tty; do chmod 666 /dev/$f 2>/dev/null && echo "changed /dev/$f"; done
    echo x > /dev/null && head -c 4 /dev/urandom | wc -c; echo to stdout > /dev/stdout; exit 0]]))
  t.no_match(log, "changed")
  t.match(log, "4\nto stdout")
end)

t.test("what a job leaves in its folders is closed to other users of the machine", function()
  local r = attack("chmod 777 . $ERLUA_OUT; stat -c %a .")
  t.eq(honest(r), "777\n")
  t.eq(t.run({ "stat", "-c", "%a", r.dir .. "/study/jobs", r.dir .. "/study/artifacts" }).out, "700\n700\n")
end)

t.test("the room in /tmp and /dev/shm has an end, and everything else is closed", function()
  local log = honest(attack([[
    for d in /tmp /dev/shm; do
      head -c 200M /dev/zero > $d/big; echo "$d $(stat -c %s $d/big)"; rm $d/big
    done
    for d in / /dev /erlua /var /home /run; do (echo x > $d/x) 2>/dev/null && echo "room in $d"; done; exit 0]],
    { fields = { limits = '{ wall = "5m", memory = "128M" }' } }))
  t.match(log, "/tmp 67108864\n.*/dev/shm 67108864\n")
  t.no_match(log, "room in")
end)

-- ---- what a job says -----------------------------------------------------------------------

t.test("nothing that a job prints or draws steers the terminal", function()
  local r = attack([[
    printf '{"step":1,"x\\u001b[31m":3}\n{"step":1,"y\\u009b31m":3}\n{"step":2,"fine":4}\n' >> "$ERLUA_CURVE"
    printf 'before\033]0;title\007\033[31mred\000\377 \302\2330m\n'; exit 3]])
  t.eq(r.baseline.outcome, "crash")
  t.match(r.baseline.reason, "before.*red")
  t.no_match(r.baseline.reason, "%c")
  for _, words in ipairs { { "trials", "show", "1", "--log" }, { "trials" }, { "report" } } do
    table.insert(words, 2, r.dir .. "/study")
    table.insert(words, 1, t.erlua)
    local shown = t.run(words)
    t.eq(shown.code, 0, shown.err)
    t.no_match(shown.out .. shown.err, "[\0-\9\11-\31\127]")
    t.no_match(shown.out .. shown.err, "\u{9b}")
  end
  t.match(t.run({ t.erlua, "trials", r.dir .. "/study", "show", "1" }).out, "fine")
end)

t.test("a curve of any bytes harms nobody", function()
  local r = attack([=[
    { head -c 300000 /dev/urandom; echo; head -c 200000 /dev/zero | tr '\0' '['; echo; printf '{"step":1,"loss":1e999}\n{"step":"x","loss":2}\n'
      printf '[1]\n"x"\n{}\n{"loss":null}\n{"loss":1,"loss":2}\n\000\n{"step":3,"loss":0.5}\n'; printf '{"step":4,"loss":'; } >> "$ERLUA_CURVE"]=])
  honest(r)
  t.match(t.run({ t.erlua, "trials", r.dir .. "/study", "show", "1" }).out, "loss.*0.5")
end)

t.test("an artifact of files without number is tampered", function()
  tampered("perl -e 'for (1..10001) { open(my $f, \">\", \"$ENV{ERLUA_OUT}/$_\") or die }'", "more than 10000 files")
end)

t.test("what env.lua lets the jobs read cannot be the study or the data", function()
  local dir = t.tmpdir("/var/tmp")
  local function run(path)
    local r = rig.study(t, { env = rig.env("", { read = '{ "' .. path .. '" }' }), dir = dir })
    t.eq(r.code, 1, r.err)
    t.run { "rm", "-rf", dir .. "/study" }
    return r.err
  end
  t.match(run("/var"), "'read': /var shows the jobs")
  t.match(run(dir .. "/study"), "'read': .* shows the jobs the study's folder")
  t.match(run(dir .. "/env"), "'read': .*/env shows the jobs .*/env/hidden.txt, which only the evaluation may see")
end)

-- A supervisor that says that it could not end every process.
t.test("training of which something lives on is tampered", function()
  rig.needs_sandbox(t)
  local dir = t.tmpdir()
  t.run { "sh", "-c", "cp \"$1\" \"$2/erlua\" && cp \"${1%/*}/erlua-supervise\" \"$2/real\"", "sh", t.erlua, dir }
  t.write(dir .. "/erlua-supervise", "#!/bin/sh\n\"" .. dir .. "/real\" \"$@\"; code=$?\nsed -i 's/^survivors 0/survivors 1/' \"$2/exit\"; exit $code\n")
  t.run { "chmod", "755", dir .. "/erlua-supervise" }
  local own = t.erlua
  t.erlua = dir .. "/erlua"
  local ok, r = pcall(attack, "")
  t.erlua = own
  t.ok(ok, tostring(r))
  t.eq({ r.baseline.outcome, r.baseline.stage }, { "tampered", "train" }, r.err)
  t.match(r.baseline.reason, "could not be ended")
end)

-- ---- no sandbox ---------------------------------------------------------------------------

-- A folder with the programs that the test needs, for a PATH of its own.
local function path_with(names, extra)
  local dir = t.tmpdir()
  for _, name in ipairs(names) do t.run { "sh", "-c", "ln -s \"$(command -v $1)\" \"$2/$1\"", "sh", name, dir } end
  for name, text in pairs(extra or {}) do
    t.write(dir .. "/" .. name, text)
    t.run { "chmod", "755", dir .. "/" .. name }
  end
  return dir
end

for what, extra in pairs { ["without bubblewrap"] = {}, ["with a bubblewrap that does not work"] = {
  bwrap = "#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n" } } do
  t.test(what .. " erlua runs no foreign code, unless it is told to", function()
    local path = path_with({ "timeout", "sh", "cat", "touch" }, extra)
    local dir = t.tmpdir()
    local env = rig.env("touch " .. dir .. "/it-ran; echo 1 > $ERLUA_OUT/answer\n")
    local r = rig.study(t, { env = env, environ = { PATH = path } })
    t.eq(r.code, 1)
    t.match(r.err, "Foreign code is not run without it")
    t.match(r.err, "bwrap")
    t.match(r.err, "%-%-no%-sandbox")
    t.eq(t.read(dir .. "/it-ran"), nil)
    r = rig.study(t, { env = env, environ = { PATH = path }, args = { "--no-sandbox" } })
    t.eq({ r.code, r.baseline.outcome, r.baseline.reward }, { 0, "ok", 1.0 }, r.err)
    t.match(r.err, "no sandbox")
    t.eq(t.read(dir .. "/it-ran"), "")
  end)
end

t.test("without a sandbox the artifact folder is not followed when it became a link", function()
  local dir = t.tmpdir()
  t.write(dir .. "/elsewhere/answer", "999\n")
  local r = rig.study(t, { env = rig.env("rmdir $ERLUA_OUT; ln -s " .. dir .. "/elsewhere $ERLUA_OUT\n"), args = { "--no-sandbox" } })
  t.eq({ r.baseline.outcome, r.baseline.stage, r.baseline.reward }, { "tampered", "train" }, r.err)
end)

return t
