-- Two shell one-liners that sleep a little, for the tests of what survives a kill: the
-- score is the size of what training left, so it is the same in every run.
local nap = "sleep 0.0$(od -An -N1 -tu1 /dev/urandom | tr -d ' 0' | cut -c1)"
return {
  name = "shell", editable = { "program.lua" },
  train = { "/bin/sh", "-c", nap .. "; cp program.lua $ERLUA_OUT/program; echo '{\"step\":1,\"loss\":2.5}' >> $ERLUA_CURVE" },
  evaluate = { "/bin/sh", "-c", nap .. "; echo \"{\\\"size\\\":$(wc -c < $ERLUA_OUT/program)}\" > $ERLUA_METRICS" },
  metric = "size", direction = "max",
  presets = {
    slow = { train = { "/bin/sh", "-c", "sleep 0.$(($(od -An -N1 -tu1 /dev/urandom) % 4 + 1)); cp program.lua $ERLUA_OUT/program" } },
    -- needs 20 MB on the way; where they are not to be had it gives some room back and fails
    roomy = { train = { "/bin/sh", "-c", "f=$ERLUA_OUT/program; head -c 20000000 /dev/zero > $f || { truncate -s -300000 $f; exit 1; }; cp program.lua $f" } },
    -- the same, but it looks at nothing, and has given all of it back when it ends
    careless = { train = { "/bin/sh", "-c", "f=$ERLUA_OUT/program; if head -c 20000000 /dev/zero > $f; then cp program.lua $f; else sleep 1.5; echo half > $f; fi" } },
    -- long enough to be met while it runs, on a busy machine too
    long = { train = { "/bin/sh", "-c", "sleep 1.5; cp program.lua $ERLUA_OUT/program" } },
  },
}
