-- What the property test found: replies that once gave a text which nobody meant.

local LOOP = "local n = 0\n\nlocal function count(list)\n  for _, v in ipairs(list) do\n    n = n + v\n  end\n  return n\nend\n"
local NOTES = "# Notes\n\n```\nmake test\n\n```\n\nThat is all there is to it.\n"

return {
  {
    name = "new lines in tabs where the only removed line stands at the margin",
    files = { ["a.lua"] = LOOP },
    reply = "*** Begin Patch\n*** Update File: a.lua\n@@\n-local function count(list)\n+local function count(list, start)\n+\tn = start\n" ..
      " \tfor _, v in ipairs(list) do\n \t\tn = n + v\n \tend\n*** End Patch\n",
    gives = { ["a.lua"] = (LOOP:gsub("count%(list%)\n", "count(list, start)\n  n = start\n")) },
  },
  {
    name = "a misspelt removed line alone shows that the reply is indented with tabs",
    files = { ["a.lua"] = LOOP },
    reply = "```diff\n--- a/a.lua\n+++ b/a.lua\n@@ -3,6 +3,6 @@\n local n = 0\n \n local function count(list)\n-\tfor _, v in ippairs(list) do\n" ..
      "+\tfor _, v in pairs(list) do\n```\n",
    gives = { ["a.lua"] = (LOOP:gsub("ipairs", "pairs")) },
  },
  {
    name = "the space behind a copied number and its tab is the line's own",
    files = { ["a.lua"] = LOOP },
    reply = "```diff\n--- a/a.lua\n+++ b/a.lua\n@@\n 4\t  for _, v in ipairs(list) do\n-5\t    n = n + v\n+5\t    n = n + v * v\n 6\t  end\n 7\t  return n\n```\n",
    gives = { ["a.lua"] = (LOOP:gsub("n %+ v", "n + v * v")) },
  },
  {
    name = "copied numbers that cannot be taken off, for the new lines are indented by no rule",
    files = { ["a.lua"] = "function f()\n\tupdate(one, \"finished\")\n\tput(two, \"finished\")\nend\n" },
    reply = "a.lua\n<<<<<<< SEARCH\n2| update(one, \"finished\")\n3| put(two, \"finished\")\n=======\n" ..
      "2| if live then\n3|   update(one, \"finished\")\n4| end\n>>>>>>> REPLACE\n",
    refused = "not_found", says = "update(one",
  },
  {
    name = "new lines indented as the file is, where the old ones came in tabs of the same depth",
    files = { ["a.lua"] = LOOP },
    reply = "a.lua\n<<<<<<< SEARCH\n\tfor _, v in ipairs(list) do\n\t\tn = n + v\n\tend\n=======\n  for i = 1, #list do\n    n = n + list[i]\n  end\n>>>>>>> REPLACE\n",
    gives = { ["a.lua"] = (LOOP:gsub("for _, v in ipairs%(list%) do\n    n = n %+ v", "for i = 1, #list do\n    n = n + list[i]")) },
  },
  {
    name = "a fence that is not closed around a patch whose context holds a fence",
    files = { ["notes.md"] = NOTES },
    reply = "```\n*** Begin Patch\n*** Update File: notes.md\n@@\n make test\n-\n ```\n \n-That is all there is to it.\n+That is all.\n*** End Patch\n",
    gives = { ["notes.md"] = "# Notes\n\n```\nmake test\n```\n\nThat is all.\n" },
  },
  {
    name = "the same, all of it indented, with another file behind it",
    files = { ["a.lua"] = LOOP, ["notes.md"] = NOTES },
    reply = "    ```\n    *** Begin Patch\n    *** Update File: notes.md\n    @@\n     make test\n    -\n     ```\n     \n    *** Update File: a.lua\n" ..
      "    @@\n    -local n = 0\n    +local n = 1\n    *** End Patch\n",
    gives = { ["notes.md"] = (NOTES:gsub("test\n\n", "test\n")), ["a.lua"] = (LOOP:gsub("n = 0", "n = 1")) },
  },
  {
    name = "a new file without a last newline, and a blank line and prose behind it",
    files = { ["a.lua"] = LOOP },
    reply = "--- /dev/null\n+++ b/new.lua\n@@\n+return 1\n\\ No newline at end of file\n\nThat is all.\n",
    gives = { ["new.lua"] = "return 1" },
  },
  {
    name = "one escaped sign proves that the whole reply is escaped, elided lines and all",
    files = { ["a.c"] = "int f(int a) {\n  int b = 1;\n  int c = 2;\n  int d = 3;\n  int e = 4;\n  if (a < b)\n    return c;\n  return d + e;\n}\n" },
    reply = "```diff\n--- a/a.c\n+++ b/a.c\n@@\n int f(int a) {\n // ...\n   if (a &lt; b)\n-    return c;\n+    return c &amp; d;\n   return d + e;\n```\n",
    gives = { ["a.c"] = "int f(int a) {\n  int b = 1;\n  int c = 2;\n  int d = 3;\n  int e = 4;\n  if (a < b)\n    return c & d;\n  return d + e;\n}\n" },
  },
  {
    name = "two blocks that quote the same lines and make different things of them",
    files = { ["a.c"] = "/* a */\n\n#include <a.h>\n\nint a;\n" },
    reply = "a.c\n<<<<<<< SEARCH\n/* a */\n\n#include <a.h>\n\nint a;\n=======\n/* a */\n#include <a.h>\n\n\nint a;\n>>>>>>> REPLACE\n" ..
      "<<<<<<< SEARCH\n/* a */\n\n#include <a.h>\n\nint a;\n=======\n/* a */\n#include <a.h>\n\n\nint b;\nint a;\n>>>>>>> REPLACE\n",
    refused = "overlap", says = "blocks 1 and 2",
  },
  {
    name = "a whole file that holds a search/replace block, and only one line in front of it is unchanged",
    files = { ["a.lua"] = "-- Applies a reply to some files.\nlocal reply = [[\n<<<<<<< SEARCH\nlocal n = 1\n=======\nlocal n = 2\n>>>>>>> REPLACE\n]]\nlocal n = 1\n" },
    reply = "a.lua\n```\n-- Applies a reply to some files.\nlocal text = [[\n<<<<<<< SEARCH\nlocal n = 1\n=======\nlocal n = 3\n>>>>>>> REPLACE\n]]\nprint(text)\n```\n",
    refused = "malformed", says = "may be a whole file that contains such a block",
  },
}
