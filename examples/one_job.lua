-- Runs one command as a job: in a sandbox, under limits, with all its processes ended at the end.

local job, message = erlua.job {
  "sh", "-c", "sort words.txt | tee $ERLUA_OUT/sorted.txt; echo done >&2",
  files  = { ["words.txt"] = "pear\napple\nquince\n" },
  limits = { wall = "10s", memory = "256M" },
}
if not job then error(message, 0) end

local result = job:wait()
print(result.ended, result.exit_code, result.log)
for word in io.lines(result.dir .. "/out/sorted.txt") do print(word) end
