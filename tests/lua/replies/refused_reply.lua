-- Replies that hold no change, break off, or cannot be read.

local FILES = { ["a.py"] = "def f(x):\n    return x + 1\n\n\ndef g(x):\n    return x - 1\n", ["b.py"] = "B = 2\nend = 1\n", ["c.py"] = "C = 3\nend = 1\n" }
local function case(name, reply, code, says) return { name = name, files = FILES, reply = reply, refused = code, says = says } end

return {
  case("an empty reply", "", "no_change_found", "no change was found"),
  case("a refusal in prose", "I'm sorry, but I can't see a safe improvement of f.\n\n- It is short.\n- It is right.\n", "no_change_found", "search/replace blocks"),
  case("a plan without code", "## Plan\n\n1. Rename `f`.\n2. In `a.py`, call g first.\n\n---\n\nShall I go on?\n", "no_change_found", "whole files in fences"),
  case("JSON with edits inside", "{\"edits\": [{\"path\": \"a.py\", \"search\": \"return x + 1\", \"replace\": \"return x + 2\"}]}\n", "no_change_found", "unified diff"),
  case("cut off inside SEARCH", "a.py\n<<<<<<< SEARCH\n    return x + 1\n    ret", "truncated", { "line 2 of the reply", "cut off" }),
  case("cut off inside REPLACE", "a.py\n<<<<<<< SEARCH\n    return x + 1\n=======\n    return x +", "truncated", "has no `>>>>>>> REPLACE` line"),
  case("cut off inside the end marker", "a.py\n<<<<<<< SEARCH\n    return x + 1\n=======\n    return x + 2\n>>>", "truncated", "cut off"),
  case("a good block, and a second one cut off", "a.py\n<<<<<<< SEARCH\n    return x + 1\n=======\n    return x + 2\n>>>>>>> REPLACE\n\n<<<<<<< SEARCH\n    return x - 1\n=====", "truncated",
    { "line 8 of the reply", "Nothing was changed" }),
  case("a good block, and a second one whose opener is cut off", "```\na.py\n<<<<<<< SEARCH\n    return x + 1\n=======\n    return x + 2\n>>>>>>> REPLACE\n\n<<<<", "truncated", "cut off"),
  case("a good block in an open fence, and the name of the next file", "```\na.py\n<<<<<<< SEARCH\n    return x + 1\n=======\n    return x + 2\n>>>>>>> REPLACE\n\nb.py\n", "truncated", "line 1 opens"),
  case("a fenced diff without counts, cut off", "```diff\n--- a/a.py\n+++ b/a.py\n@@\n-    return x + 1\n+    return x + 2\n", "truncated", "cut off"),
  case("a fenced diff cut off in its last line", "```diff\n--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n def f(x):\n-    return x + 1\n+    return x + 2", "truncated", "ends before it is complete"),
  case("a bare diff with fewer lines than it counts", "--- a/a.py\n+++ b/a.py\n@@ -1,6 +1,9 @@\n def f(x):\n-    return x + 1\n+    y = x * x\n+    retu", "truncated", "Send the whole diff again"),
  case("a diff of which only the names are there", "--- a/a.py\n+++ b/a.py\n", "truncated", "ends after its header"),
  case("no divider", "a.py\n<<<<<<< SEARCH\n    return x + 1\n    return x + 2\n>>>>>>> REPLACE\n", "malformed", "no `=======` line"),
  case("a second SEARCH before the first one ends", "a.py\n<<<<<<< SEARCH\n    return x + 1\n=======\n    return x + 2\n<<<<<<< SEARCH\n    return x - 1\n=======\n    return x - 2\n>>>>>>> REPLACE\n",
    "malformed", { "line 2 of the reply", "`>>>>>>> REPLACE`", "another one begins in line 6", "unified diff" }),
  case("four chevrons", "a.py\n<<<< SEARCH\n    return x + 1\n====\n    return x + 2\n>>>> REPLACE\n", "malformed", { "line 2 of the reply", "seven signs each" }),
  case("an end without a beginning", "a.py\n    return x + 1\n=======\n    return x + 2\n>>>>>>> REPLACE\n", "malformed", { "line 5 of the reply", "no complete search/replace block" }),
  case("a header without hunks", "```diff\n--- a/a.py\n+++ b/a.py\n```\nWhat do you think?\n", "malformed", { "has a header but no hunk", "`a.py`" }),
  case("a hunk that only shows context", "```diff\n--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n def f(x):\n     return x + 1\n```\n", "malformed", { "line 4 of the reply", "changes nothing" }),
  case("a bare diff that prose tears apart", "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n def f(x):\n-    return x + 1\n+    return x + 2\n\nAnd in g:\n-    return x - 1\n+    return x - 2\n",
    "malformed", { "line 9 of the reply", "return x - 1" }),
  case("fences that do not pair up around whole files", "b.py\n```\nB = 3\n```\n\nIt prints\n```\n4\n```\n```\n", "malformed", { "do not pair up", "four or more backticks" }),
  case("a new file's diff with removed lines", "--- /dev/null\n+++ b/d.py\n@@ -1 +1,2 @@\n-d = 0\n+d = 1\n+e = 2\n", "malformed", { "`d.py`", "do not begin with `+`" }),
  case("a deletion that shows only some of the lines", "--- a/b.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-B = 2\n", "malformed", { "1 of its 2 lines", "`b.py`" }),
  case("no name, and two files that have the lines", "<<<<<<< SEARCH\nend = 1\n=======\nend = 2\n>>>>>>> REPLACE\n", "ambiguous", { "names no file", "more than one has the lines", "a.py, b.py, c.py" }),
  case("no name, and no file that has the lines", "<<<<<<< SEARCH\nnever = 1\n=======\nnever = 2\n>>>>>>> REPLACE\n", "missing_file", { "names no file", "none that may be changed" }),
  case("an empty SEARCH for a file that is not empty", "b.py\n<<<<<<< SEARCH\n=======\nB = 9\n>>>>>>> REPLACE\n", "ambiguous", "quotes no line of `b.py`"),
  case("a patch in the middle of which a new one begins", "*** Begin Patch\n*** Update File: b.py\n@@\n-B = 2\n+B = 3\n--- a/c.py\n", "truncated", "*** End Patch"),
}
