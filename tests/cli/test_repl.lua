-- The prompt: on a terminal through tests/lib/terminal.py, and fed from a pipe.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local terminals = dofile(t.source .. "/tests/lib/terminal.lua")

local function pipe(lines, opts)
  opts = opts or {}
  opts.stdin, opts.timeout = lines, opts.timeout or 300
  return t.run({ t.erlua }, opts)
end

-- Runs the prompt on a terminal of `columns`; fails with the transcript if a step does not hold.
local function terminal(columns, steps, opts)
  opts = opts or {}
  opts.env = opts.env or {}
  opts.env.XDG_STATE_HOME = opts.env.XDG_STATE_HOME or t.tmpdir()
  return terminals.run(t, columns, steps, {}, opts)
end

t.test("lines from a pipe are run one by one and their results printed, without a prompt", function()
  local r = pipe('1 + 1\n{ 1, b = "x" }\nx = 5\nx, nil, "s"\n')
  t.eq(r.out, '2\n{ 1, b = "x" }\n5\tnil\ts\n')
  t.eq({ r.err, r.code }, { "", 0 })
end)

t.test("a statement over several lines is run when it is complete", function()
  t.eq(pipe("for i = 1, 2 do\n  print(i)\nend\n").out, "1\n2\n")
  t.eq(pipe("{\n 1,\n 2 }\n").out, "{ 1, 2 }\n")
  t.eq(pipe("[[a\nb]]\n").out, "a\nb\n")
end)

t.test("the last line needs no end", function() t.eq(pipe("1 + 1").out, "2\n") end)

t.test("a statement that the pipe leaves unfinished is an error", function()
  local r = pipe("1 +")
  t.match(r.err, "near <eof>")
  t.eq(r.code, 1)
end)

t.test("an error in a line is shown, and the next line runs", function()
  local r = pipe('error("boom")\nerror({ 1 })\nfoo bar\n"after"\n')
  t.eq(r.err, "stdin:1: boom\n{ 1 }\nstdin:1: syntax error near 'bar'\n")
  t.eq({ r.out, r.code }, { "after\n", 1 })
end)

t.test("an error inside functions comes with the way there", function()
  local err = pipe('function f() error("deep") end\nfunction g() f() end g()\n').err
  t.match(err, "^stdin:1: deep\nstack traceback:\n")
  t.match(err, "in function 'f'")
  t.match(err, "in function 'g'")
end)

t.test("a study that cannot be opened is an error of its line, and the prompt goes on", function()
  local dir = t.tmpdir()
  local r = pipe('erlua.study { env = "circle_paking" }\nerlua.study {}\n"after"\n', { cwd = dir })
  t.match(r.err, "^there is no environment 'circle_paking'[^\n]*did you mean circle_packing%?\n.*\nno environment: give %-%-env NAME or DIR\n")
  t.eq({ r.out, r.code }, { "after\n", 1 })
end)

t.test("a second study is refused before anything of it is made, and the first one stays", function()
  local dir = t.tmpdir()
  local open = 'erlua.study { env = "circle_packing", sandbox = false, study = "%s" }\n'
  local r = pipe("s = " .. open:format("one") .. open:format("two") .. "s.epoch\n", { cwd = dir })
  t.match(r.err, "a program has one study, and it has been opened already")
  t.eq({ r.out, (t.read(dir .. "/two/study.db")) }, { "0\n", nil })
end)

t.test("lines may wait", function()
  t.eq(pipe('erlua.sleep(0.01)\nlocal task = erlua.spawn(function() erlua.sleep(0.01) return 7 end) return task:wait()\n').out, "true\t7\n")
end)

t.test("background tasks go on while the next line is awaited", function()
  local there = t.tmpdir() .. "/there"
  local count = "n = 0 erlua.spawn(function() while n < 9 do n = n + 1 erlua.sleep(0.01) end io.open(\"" .. there .. "\", \"w\"):close() end)"
  local r = t.run({ "sh", "-c", "(echo '" .. count .. "'; until test -e " .. there .. "; do sleep 0.05; done; echo 'n > 5') | " .. t.quote(t.erlua) })
  t.match(r.out, "true\n$")
end)

t.test("a plain file and /dev/null as input work", function()
  local file = t.write(t.tmpdir() .. "/in", "print(42)\n")
  t.eq(t.run({ "sh", "-c", t.quote(t.erlua) .. " <" .. t.quote(file) }, { timeout = 300 }).out, "42\n")
  t.eq(t.run({ t.erlua }, { timeout = 300 }).code, 0)
end)

t.test("NUL bytes and bad UTF-8 in a line are ordinary input", function()
  local r = pipe('#"a\0b"\n"\255"\n\255\n"end"\n')
  t.eq(r.out, '3\n"\\xff"\nend\n')
end)

t.test("os.exit ends the session with its code", function()
  local r = pipe("os.exit(7)\nprint('not reached')\n")
  t.eq({ r.code, r.out, r.err }, { 7, "", "" })
end)

t.test("help finds functions by value and by name", function()
  local r = pipe('help(erlua.spawn)\nhelp "map"\nhelp "no_such_thing"\nhelp(3)\nhelp()\n')
  t.match(r.out, "Starts fn in a task of its own")
  t.match(r.out, "erlua%.map%(")
  t.match(r.out, "there is no help for 'no_such_thing'")
  t.match(r.out, "a number: help explains functions")
  t.match(r.out, "help%(erlua%) +lists what there is")
end)

t.test("a terminal gets a prompt, results and an orderly end by ctrl-D", function()
  local r = terminal(80, { [[expect:ctrl-D leaves\.\r\n> ]], [[send:1+1\r]], [[expect:\n2\r\n> ]], [[send:\x04]], "end:", "cooked:" })
  t.eq(r.code, 0)
end)

t.test("multi-line input has its own prompt, and ctrl-D in it drops the statement only", function()
  terminal(80, { "expect:> ", [[send:x = {\r]], "expect:>> ", [[send:\x04]], "expect:near <eof>", [[expect:\n> ]],
    [[send:for i = 1, 2 do\r]], "expect:>> ", [[send:print("v" .. i)\r]], "expect:>> ", [[send:end\r]], [[expect:v1\r\nv2\r\n> ]], [[send:\x04]], "end:" })
end)

t.test("tab completes globals, fields and methods, and lists what is open", function()
  terminal(60, { "expect:> ", [[send:erlua.sl\t]], [[expect:erlua\.sleep\(|eep\(]], [[send:0)\r]], "expect:> ",
    [[send:string.re\t]], [[expect:rep +reverse]], [[send:p("ab", 2)\r]], [[expect:abab]], "expect:> ",
    [[send:io.stdout:wri\t]], [[expect:te\(]], [[send:"")\r]], "expect:> ", [[send:\x04]], "end:" })
end)

t.test("ctrl-C drops the line that is being typed", function()
  terminal(80, { "expect:> ", "send:abc", "expect:abc", [[send:\x03]], [[expect:\n> ]], [[send:1+1\r]], [[expect:\n2\r\n> ]], [[send:\x04]], "end:" })
end)

t.test("ctrl-C cancels what runs, waiting or busy, and not the program", function()
  local r = terminal(80, { "expect:> ", [[send:erlua.sleep(60)\r]], [[expect:\(60\)\r\n]], [[send:\x03]], "expect:cancelled", "expect:> ",
    [[send:while true do end\r]], [[expect:do end\r\n]], [[send:\x03]], "expect:cancelled|interrupted", "expect:> ",
    [[send:"still here"\r]], [[expect:\nstill here\r\n> ]], [[send:\x04]], "end:", "cooked:" })
  t.eq(r.code, 0)
end)

t.test("background tasks go on at an idle prompt, even in the middle of a key sequence", function()
  terminal(80, { "expect:> ", [[send:erlua.spawn(function() erlua.sleep(0.2) print("from behind") end)\r]], "expect:> ",
    [[send:\x1b]], "expect:from behind", [[send:b\x15]], [[send:\x04]], "end:" })
end)

t.test("the terminal is in its ordinary mode while a line runs", function()
  local go = t.tmpdir() .. "/go"
  terminal(80, { "expect:> ", [[send:print("go") while not io.open("]] .. go .. [[") do erlua.sleep(0.02) end\r]], [[expect:\ngo]], "cooked:",
    "make:" .. go, "expect:> ", [[send:\x04]], "end:" })
end)

t.test("the terminal is restored when the program is told to end", function()
  for _, signal in ipairs { "SIGTERM", "SIGHUP" } do
    local r = terminal(80, { "expect:> ", "send:abc", "expect:abc", "signal:" .. signal, "end:", "cooked:" })
    t.ok(r.code ~= 0, signal)
  end
  terminal(80, { "expect:> ", [[send:os.exit(0)\r]], "end:", "cooked:" })
end)

t.test("the history is kept between sessions, without blank lines and those that start with a space", function()
  local state = t.tmpdir()
  local env = { XDG_STATE_HOME = state }
  terminal(80, { "expect:> ", [[send:first = 1\r]], "expect:> ", [[send: secret = 2\r]], "expect:> ", [[send:\r]], "expect:> ", [[send:\x04]], "end:" }, { env = env })
  t.eq(t.read(state .. "/erlua/history"), "first = 1\n")
  terminal(80, { "expect:> ", [[send:\x1b[A]], "expect:first = 1", [[send:\r]], "expect:> ", [[send:\x04]], "end:" }, { env = env })
end)

t.test("an unwritable place for the history costs only the history", function()
  local r = terminal(80, { "expect:> ", [[send:1+1\r]], [[expect:\n2\r\n> ]], [[send:\x04]], "end:" }, { env = { XDG_STATE_HOME = "/dev/null/x" } })
  t.eq(r.code, 0)
end)

t.test("letters beyond ASCII can be typed, whatever the locale", function()
  for _, locale in ipairs { "C", "C.UTF-8" } do
    terminal(80, { "expect:> ", [[send:"\xe6\x97\xa5\xc3\xa9"\r]], [[expect:\n日é\r\n> ]], [[send:\x04]], "end:" }, { env = { LC_ALL = locale } })
  end
end)

t.test("bad UTF-8 typed at the prompt swallows nothing that follows", function()
  terminal(80, { "expect:> ", [[send:#"\xe6"\r]], [[expect:\n\d\r\n> ]], [[send:\x04]], "end:" })
end)

t.test("_PROMPT and _PROMPT2 are honoured, and one that fails is not fatal", function()
  terminal(80, { "expect:> ", [[send:_PROMPT, _PROMPT2 = "me: ", "more: "\r]], "expect:me: ", [[send:x = {\r]], "expect:more: ", [[send:}\r]],
    "expect:me: ", [[send:_PROMPT = setmetatable({}, { __tostring = function() error("no") end })\r]], [[expect:\n> ]], [[send:\x04]], "end:" })
end)

t.test("pasted tabs are text, not completion", function()
  terminal(80, { "expect:> ", [[send:for i = 1, 2 do\r\tprint("t" .. i)\rend\r]], [[expect:t1\r\nt2]], "expect:> ", [[send:\x04]], "end:" })
end)

t.test("forty columns and a dumb terminal work", function()
  terminal(40, { "expect:> ", [[send:("x"):rep(50)\r]], [[expect:x{50}]], "expect:> ", [[send:\x04]], "end:" })
  terminal(80, { "expect:> ", [[send:1+1\r]], [[expect:2\r\n> ]], [[send:\x04]], "end:" }, { env = { PTY_TERM = "dumb" } })
end)

t.test("help breaks its lines between words where the terminal is narrow", function()
  terminal(50, { "expect:> ", [[send:help(erlua.patch.apply)\r]], [[expect:Finds the change in a model's reply and applies\r\n  it to files, all of it or nothing\.\r\n]],
    [[expect:\r\n> ]], [[send:\x04]], "end:" })
end)

return t
