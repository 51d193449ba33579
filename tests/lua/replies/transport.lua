-- What chat pages, editors and terminals do to a reply on its way.

local CODE = "def clip(x, lo, hi):\n    if x < lo and lo > 0:\n        return lo\n    return x if x <= hi else hi\n"
local FILES = { ["clip.py"] = CODE }

return {
  {
    name = "a byte-order mark in front of the reply",
    files = FILES,
    reply = "\239\187\191clip.py\n<<<<<<< SEARCH\n        return lo\n=======\n        return float(lo)\n>>>>>>> REPLACE\n",
    gives = { ["clip.py"] = CODE:gsub("return lo", "return float(lo)") .. "" },
  },
  {
    name = "a unified diff with HTML escapes",
    files = FILES,
    reply = "--- a/clip.py\n+++ b/clip.py\n@@ -1,4 +1,4 @@\n def clip(x, lo, hi):\n-    if x &lt; lo and lo &gt; 0:\n+    if x &lt; lo:\n         return lo\n     return x if x &lt;= hi else hi\n",
    gives = { ["clip.py"] = CODE:gsub(" and lo > 0", "") .. "" },
    blocks = { { rung = "html-escapes" } },
  },
  {
    name = "escapes in new lines alone, which nothing proves",
    files = FILES,
    reply = "--- a/clip.py\n+++ b/clip.py\n@@ -3,1 +3,2 @@\n         return lo\n+    assert lo &lt; hi\n",
    refused = "malformed",
    says = { "`&lt;`", "Send plain signs" },
  },
  {
    name = "search markers that are HTML escapes themselves",
    files = FILES,
    reply = "clip.py\n&lt;&lt;&lt;&lt;&lt;&lt;&lt; SEARCH\n    return x if x &lt;= hi else hi\n=======\n    return x if x &lt; hi else hi\n&gt;&gt;&gt;&gt;&gt;&gt;&gt; REPLACE\n",
    gives = { ["clip.py"] = CODE:gsub("x <= hi", "x < hi") .. "" },
  },
  {
    name = "escapes that the file itself has stay as they are",
    files = { ["page.html"] = "<p>a &lt; b</p>\n<p>c</p>\n" },
    reply = "page.html\n<<<<<<< SEARCH\n<p>a &lt; b</p>\n=======\n<p>a &lt; b &amp;&amp; c</p>\n>>>>>>> REPLACE\n",
    gives = { ["page.html"] = "<p>a &lt; b &amp;&amp; c</p>\n<p>c</p>\n" },
  },
  {
    name = "no-break spaces as indentation",
    files = FILES,
    reply = "clip.py\n<<<<<<< SEARCH\n\194\160\194\160\194\160\194\160if x < lo and lo > 0:\n=======\n\194\160\194\160\194\160\194\160if x < lo:\n>>>>>>> REPLACE\n",
    gives = { ["clip.py"] = CODE:gsub(" and lo > 0", "") .. "" },
  },
  {
    name = "typographic quotes in the code",
    files = { ["say.py"] = "print(\"hello\")\nprint('bye')\n" },
    reply = "say.py\n<<<<<<< SEARCH\nprint(\226\128\156hello\226\128\157)\nprint(\226\128\152bye\226\128\153)\n=======\nprint(\226\128\156hello\226\128\157)\nprint(\226\128\152see you\226\128\153)\n>>>>>>> REPLACE\n",
    gives = { ["say.py"] = "print(\"hello\")\nprint('see you')\n" },
  },
  {
    name = "typographic quotes that the file itself has",
    files = { ["say.py"] = "print('\226\128\156hello\226\128\157')\n" },
    reply = "say.py\n<<<<<<< SEARCH\nprint('\226\128\156hello\226\128\157')\n=======\nprint('\226\128\156bye\226\128\157')\n>>>>>>> REPLACE\n",
    gives = { ["say.py"] = "print('\226\128\156bye\226\128\157')\n" },
  },
  {
    name = "NUL bytes and bad UTF-8 in the prose",
    files = FILES,
    reply = "\0\255\254 noise \0\nclip.py\n<<<<<<< SEARCH\n        return lo\n=======\n        return 0\n>>>>>>> REPLACE\n\192\128\n",
    gives = { ["clip.py"] = CODE:gsub("return lo", "return 0") .. "" },
  },
  {
    name = "a diff in a tag, with prose right behind it",
    files = FILES,
    reply = "<thinking>\n- lower bound\n+ upper bound?\n</thinking>\n<diff>\n--- a/clip.py\n+++ b/clip.py\n@@ -2,2 +2,2 @@\n     if x < lo and lo > 0:\n-        return lo\n+        return 1\n</diff>\nThis clips at one.\n",
    gives = { ["clip.py"] = CODE:gsub("return lo", "return 1") .. "" },
  },
  {
    name = "a draft among the thoughts in front of the answer",
    files = FILES,
    reply = "<think>\nclip.py\n<<<<<<< SEARCH\n        return lo\n=======\n        return -1\n>>>>>>> REPLACE\nNo, wait. lo may be needed.\n</think>\n\nclip.py\n" ..
      "<<<<<<< SEARCH\n        return lo\n=======\n        return max(lo, 0)\n>>>>>>> REPLACE\n",
    gives = { ["clip.py"] = CODE:gsub("return lo", "return max(lo, 0)") .. "" },
  },
  {
    name = "thoughts that never end",
    files = FILES,
    reply = "<think>\nLet me see.\nclip.py\n<<<<<<< SEARCH\n        return lo\n=======\n        return -1\n>>>>>>> REPLACE\nOr rather\n",
    refused = "truncated",
    says = { "<think>", "holds no answer yet" },
  },
  {
    name = "a search block in two tags",
    files = FILES,
    reply = "<answer>\n<edit path=\"clip.py\">\n<<<<<<< SEARCH\n        return lo\n=======\n        return 2\n>>>>>>> REPLACE\n</edit>\n</answer>\n",
    gives = { ["clip.py"] = CODE:gsub("return lo", "return 2") .. "" },
  },
  {
    name = "CRLF in file and diff alike",
    files = { ["win.ini"] = "[run]\r\ndepth=4\r\nwidth=8\r\n" },
    reply = "--- a/win.ini\r\n+++ b/win.ini\r\n@@ -1,3 +1,3 @@\r\n [run]\r\n-depth=4\r\n+depth=6\r\n width=8\r\n",
    gives = { ["win.ini"] = "[run]\r\ndepth=6\r\nwidth=8\r\n" },
  },
  {
    name = "a whole file with LF for one with CRLF keeps the CRLF",
    files = { ["win.ini"] = "[run]\r\ndepth=4\r\n" },
    reply = "win.ini\n```\n[run]\ndepth=7\nwidth=9\n```\n",
    gives = { ["win.ini"] = "[run]\r\ndepth=7\r\nwidth=9\r\n" },
  },
  {
    name = "a file's byte-order mark stays, though the reply leaves it out",
    files = { ["bom.py"] = "\239\187\191a = 1\nb = 2\n" },
    reply = "--- a/bom.py\n+++ b/bom.py\n@@ -1,2 +1,2 @@\n-a = 1\n+a = 3\n b = 2\n",
    gives = { ["bom.py"] = "\239\187\191a = 3\nb = 2\n" },
  },
  {
    name = "a missing last newline stays missing",
    files = { ["end.py"] = "a = 1\nb = 2" },
    reply = "end.py\n<<<<<<< SEARCH\nb = 2\n=======\nb = 3\n>>>>>>> REPLACE\n",
    gives = { ["end.py"] = "a = 1\nb = 3" },
  },
  {
    name = "a diff that says that the last newline goes",
    files = { ["end.py"] = "a = 1\nb = 2\n" },
    reply = "--- a/end.py\n+++ b/end.py\n@@ -1,2 +1,2 @@\n a = 1\n-b = 2\n+b = 4\n\\ No newline at end of file\n",
    gives = { ["end.py"] = "a = 1\nb = 4" },
  },
  {
    name = "the reply's own last line has no newline, the file's does",
    files = { ["end.py"] = "a = 1\nb = 2\n" },
    reply = "--- a/end.py\n+++ b/end.py\n@@ -1,2 +1,2 @@\n a = 1\n-b = 2\n+b = 5",
    gives = { ["end.py"] = "a = 1\nb = 5\n" },
  },
}
