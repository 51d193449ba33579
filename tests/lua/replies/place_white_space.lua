-- Places where the reply's white space is not the file's: ends of lines, blank lines, tabs, indentation, spacing.

local function sr(old, new) return "<<<<<<< SEARCH\n" .. old .. "=======\n" .. new .. ">>>>>>> REPLACE\n" end
local function diff(body) return "```diff\n--- a/train.py\n+++ b/train.py\n" .. body .. "```\n" end

local function case(name, before, reply, after, rung)
  return { name = name, files = { ["train.py"] = before }, reply = reply, gives = { ["train.py"] = after }, blocks = { { rung = rung } } }
end

local function refused(name, before, reply, code, says)
  return { name = name, files = { ["train.py"] = before }, reply = reply, refused = code, says = says }
end

local STEP = [[
def step(model, batch):
    loss = model(batch)

    loss.backward()
    if clip:
        clip_grad(model)
    return loss
]]
local TABS = STEP:gsub("    ", "\t")
local METHOD = "class Trainer:\n" .. STEP:gsub("([^\n]+)", "    %1"):gsub("model, batch", "self, batch")
local TWO = "def lr(step):\n    warm = 100\n\n\n\ndef beta(step):\n    return 0.9\n"

return {
  case("a new line ends like the one it replaces, in a file of mixed line ends", "a = 1\r\nb = 2\nc = 3\r\n", diff("@@ -1,3 +1,3 @@\n a = 1\n-b = 2\n+b = 22\n c = 3\n"),
    "a = 1\r\nb = 22\nc = 3\r\n", "line-ends"),
  case("spaces that the file has at the end of a context line", (STEP:gsub("batch%)\n\n", "batch)   \n\n")),
    diff("@@\n     loss = model(batch)\n \n-    loss.backward()\n+    loss.backward(retain_graph=True)\n"),
    (STEP:gsub("batch%)\n\n", "batch)   \n\n"):gsub("backward%(%)", "backward(retain_graph=True)")), "trailing-space"),
  case("spaces that the reply has at the end of the line to remove", STEP, sr("    return loss  \t\n", "    return loss.item()\n"),
    (STEP:gsub("return loss", "return loss.item()")), "trailing-space"),
  case("a blank line that is not quite blank in the file", (STEP:gsub("\n\n", "\n    \n")), sr("    loss = model(batch)\n\n    loss.backward()\n", "    loss = model(batch).mean()\n\n    loss.backward()\n"),
    (STEP:gsub("\n\n", "\n    \n"):gsub("model%(batch%)", "model(batch).mean()")), "trailing-space"),
  case("a reply in LF for a file in CRLF", (STEP:gsub("\n", "\r\n")), sr("    if clip:\n        clip_grad(model)\n", "    if clip > 0:\n        clip_grad(model, clip)\n"),
    (STEP:gsub("if clip", "if clip > 0"):gsub("grad%(model%)", "grad(model, clip)"):gsub("\n", "\r\n")), "line-ends"),
  case("one CRLF that slipped into the quotation", STEP, sr("    if clip:\r\n        clip_grad(model)\n", "    if clip:\n        clip_grad(model, 1.0)\n"),
    (STEP:gsub("grad%(model%)", "grad(model, 1.0)")), "line-ends"),
  case("a blank line left out between two lines of context", STEP, diff("@@\n     loss = model(batch)\n     loss.backward()\n     if clip:\n-        clip_grad(model)\n+        clip_grad(model, 0.5)\n"),
    (STEP:gsub("grad%(model%)", "grad(model, 0.5)")), "blank-lines"),
  case("two of three blank lines left out", TWO, sr("    warm = 100\n\ndef beta(step):\n    return 0.9\n", "    warm = 100\n\ndef beta(step):\n    return 0.95\n"), (TWO:gsub("0%.9", "0.95")), "blank-lines"),
  case("a blank line too many between two lines of context", STEP, sr("    if clip:\n\n        clip_grad(model)\n    return loss\n", "    if clip:\n\n        clip_grad(model)\n    return loss.detach()\n"),
    (STEP:gsub("return loss", "return loss.detach()")), "blank-lines"),
  case("a blank line too many right behind the changed line", STEP, sr("    if clip:\n        clip_grad(model)\n\n    return loss\n", "    if clip:\n        clip_norm(model)\n\n    return loss\n"),
    (STEP:gsub("clip_grad", "clip_norm")), "blank-lines"),
  refused("a blank line left out beside a new line, which may go above or below it", STEP,
    diff("@@\n     loss = model(batch)\n+    log(loss)\n     loss.backward()\n"), "not_found", { "nearest place in the file is line 2", "line 3 of the file is" }),
  refused("a blank line left out between two lines that go, and perhaps goes too", STEP, sr("    loss = model(batch)\n    loss.backward()\n", "    return None\n"), "not_found", "line 3 of the file"),
  refused("a blank line without its sign beside new lines, which may be one of them", "a = 1\nb = 2\n", diff("@@\n a = 1\n+def f():\n+    pass\n\n b = 2\n"), "not_found", "a = 1"),
  case("tabs in the file, four spaces in the reply", TABS, sr("    if clip:\n        clip_grad(model)\n", "    if clip:\n        for p in model:\n            clip_(p)\n"),
    (TABS:gsub("\t\tclip_grad%(model%)", "\t\tfor p in model:\n\t\t\tclip_(p)")), "white-space"),
  case("four spaces in the file, tabs in the reply", STEP, diff("@@\n \tif clip:\n-\t\tclip_grad(model)\n+\t\tclip_grad(model)\n+\t\tclips += 1\n \treturn loss\n"),
    (STEP:gsub("clip_grad%(model%)\n", "%0        clips += 1\n")), "white-space"),
  case("tabs in the file, two spaces in the reply, one depth quoted", "function f()\n\treturn 1\nend\n", sr("  return 1\n", "  if x then\n    return 2\n  end\n  return 1\n"),
    "function f()\n\tif x then\n\t\treturn 2\n\tend\n\treturn 1\nend\n", "white-space"),
  refused("eight spaces for one tab, and a new line of another depth", "def f():\n\treturn 1\n", sr("        return 1\n", "        if x:\n            return 2\n        return 1\n"), "not_found", "return 1"),
  case("tabs quoted as spaces, but new lines with tabs", TABS, sr("    if clip:\n        clip_grad(model)\n", "\tif clip:\n\t\tclip_grad(model, 2)\n"), (TABS:gsub("grad%(model%)", "grad(model, 2)")), "white-space"),
  case("a method quoted as if it were a function", METHOD, sr("def step(self, batch):\n    loss = model(batch)\n", "def step(self, batch):\n    self.n += 1\n    loss = model(batch)\n"),
    (METHOD:gsub("batch%):\n", "%0        self.n += 1\n")), "indentation"),
  case("a function quoted deeper than it is", STEP, diff("@@\n     def step(model, batch):\n-        loss = model(batch)\n+        if batch is None:\n+            return None\n+        loss = model(batch)\n"),
    (STEP:gsub("    loss = model", "    if batch is None:\n        return None\n%0")), "indentation"),
  case("an indented list item with the block inside", STEP, "1. In train.py:\n\n   <<<<<<< SEARCH\n       if clip:\n           clip_grad(model)\n   =======\n       if clip:\n           clip_grad(model, 3)\n   >>>>>>> REPLACE\n",
    (STEP:gsub("grad%(model%)", "grad(model, 3)")), "indentation"),
  refused("indentation that is off unevenly, beside new lines", STEP, diff("@@\n if clip:\n         clip_grad(model)\n+    log(clip)\n  return loss\n"), "not_found", "if clip"),
  case("context whose indentation is off, but not that of the removed line", STEP, diff("@@\n if clip:\n-        clip_grad(model)\n+        clip_grad(model, 4)\n  return loss\n"),
    (STEP:gsub("grad%(model%)", "grad(model, 4)")), "white-space"),
  case("context lines that lost the space in front of them", STEP, diff("@@\n    if clip:\n        clip_grad(model)\n+    log(clip)\n    return loss\n"), (STEP:gsub("    return", "    log(clip)\n%0")), "indentation"),
  refused("a new line that is less deep than the shift takes away", "def f():\n    a = 1\n", sr("        a = 1\n", "  b = 2\n        a = 1\n"), "not_found", "a = 1"),
  case("spaces around signs", "x = torch.randn(n, d)\ny=x@w\n", sr("x=torch.randn( n,d )\n", "x = torch.zeros(n, d)\n"), "x = torch.zeros(n, d)\ny=x@w\n", "spacing"),
  case("runs of spaces that line up comments", "a = 1        # one\nbb = 22      # two\n", diff("@@\n a = 1 # one\n-bb = 22 # two\n+bb = 23 # three\n"), "a = 1        # one\nbb = 23 # three\n", "white-space"),
  refused("words that only run together", "return not done\n", sr("returnnot done\n", "return done\n"), "not_found", "return not done"),
}
