-- terminal.lua: erlua on a terminal of its own, so many columns wide (terminal.py).

local M = {}

---@param t table  the test file's tap
---@param columns integer
---@param steps string[]  as terminal.py takes them
---@param args string[]  of erlua
---@param opts? table  of t.run
---@return {code: integer, out: string, err: string}  fails with the transcript if a step does not hold
function M.run(t, columns, steps, args, opts)
  if t.run({ "python3", "-c", "pass" }).code ~= 0 then t.skip("no python3 to drive a terminal") end
  opts = opts or {}
  opts.env = opts.env or {}
  opts.env.EDITRC = opts.env.EDITRC or "/dev/null"         -- no keys of whoever runs the tests
  local argv = { "python3", t.source .. "/tests/lib/terminal.py", tostring(columns) }
  table.move(steps, 1, #steps, #argv + 1, argv)
  table.move({ "--", t.erlua }, 1, 2, #argv + 1, argv)
  table.move(args, 1, #args, #argv + 1, argv)
  local r = t.run(argv, opts)
  if r.code == 125 then t.eq(r.err, "", "transcript:\n" .. r.out) end
  return r
end

---What erlua writes on such a terminal, when nobody types.
---@return string
function M.shows(t, columns, args, opts)
  local r = M.run(t, columns, { "end:" }, args, opts)
  t.eq(r.code, 0, r.err)
  return (r.out:gsub("\r\n", "\n"))
end

return M
