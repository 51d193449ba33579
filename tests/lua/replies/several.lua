-- Several blocks, forms and files in one reply, and blocks that build on each other.

local FILES = { ["a.py"] = "x = 1\ny = 2\nz = 3\n", ["b.py"] = "def f():\n    return 0\n", ["c.py"] = "c = 0\n" }
local function sr(old, new) return "<<<<<<< SEARCH\n" .. old .. "=======\n" .. new .. ">>>>>>> REPLACE\n" end

return {
  {
    name = "four forms for four files",
    files = FILES,
    reply = "First:\n\na.py\n```python\n" .. sr("x = 1\n", "x = 10\n") .. "```\n\n```diff\n--- a/b.py\n+++ b/b.py\n@@ -1,2 +1,2 @@\n def f():\n-    return 0\n+    return 1\n```\n\n" ..
      "*** Begin Patch\n*** Add File: d.py\n+d = 4\n*** End Patch\n\nc.py\n```python\nc = 3\n```\n",
    gives = { ["a.py"] = "x = 10\ny = 2\nz = 3\n", ["b.py"] = "def f():\n    return 1\n", ["c.py"] = "c = 3\n", ["d.py"] = "d = 4\n" },
    blocks = { { form = "search" }, { form = "udiff" }, { form = "begin_patch" }, { form = "whole" } },
  },
  {
    name = "several blocks of one file in one fence",
    files = FILES,
    reply = "a.py\n```\n" .. sr("x = 1\n", "x = 2\n") .. "\n" .. sr("z = 3\n", "z = 4\n") .. "```\n",
    gives = { ["a.py"] = "x = 2\ny = 2\nz = 4\n" },
  },
  {
    name = "blocks of one file in any order",
    files = FILES,
    reply = "a.py\n" .. sr("z = 3\n", "z = 5\n") .. sr("x = 1\n", "x = 5\n"),
    gives = { ["a.py"] = "x = 5\ny = 2\nz = 5\n" },
  },
  {
    name = "a unified diff and a search block on the same file",
    files = FILES,
    reply = "```diff\n--- a/a.py\n+++ b/a.py\n@@\n-x = 1\n+x = 7\n```\na.py\n" .. sr("z = 3\n", "z = 7\n"),
    gives = { ["a.py"] = "x = 7\ny = 2\nz = 7\n" },
  },
  {
    name = "a later block searches for what an earlier one wrote",
    files = FILES,
    reply = "a.py\n" .. sr("x = 1\n", "x = first(1)\n") .. sr("x = first(1)\n", "x = first(1) + 1\n"),
    gives = { ["a.py"] = "x = first(1) + 1\ny = 2\nz = 3\n" },
  },
  {
    name = "a later block searches across old and new lines",
    files = FILES,
    reply = "a.py\n" .. sr("y = 2\n", "y = 2\nw = 9\n") .. sr("w = 9\nz = 3\n", "w = 8\nz = 2\n"),
    gives = { ["a.py"] = "x = 1\ny = 2\nw = 8\nz = 2\n" },
  },
  {
    name = "three blocks in a chain, and a fourth elsewhere",
    files = FILES,
    reply = "a.py\n" .. sr("x = 1\n", "x = one\n") .. sr("x = one\n", "x = two\n") .. sr("x = two\n", "x = three\n") .. sr("z = 3\n", "z = 0\n"),
    gives = { ["a.py"] = "x = three\ny = 2\nz = 0\n" },
  },
  {
    name = "a line number is that of the original, not of what earlier blocks made of it",
    files = { ["a.py"] = "x = 1\nend\ny = 2\nend\n" },
    reply = "a.py\n" .. sr("x = 1\n", "x = 2\nx = 3\nx = 5\n") .. sr("x = 5\n", "x = 5\n") .. "```diff\n--- a/a.py\n+++ b/a.py\n@@ -4 +4 @@\n-end\n+stop\n```\n",
    refused = "ambiguous",
    says = { "block 3 of 3", "2 places" },
  },
  {
    name = "a line that the file has is not taken from an earlier block's text",
    files = { ["a.py"] = "start()\nstop()\n" },
    reply = "a.py\n" .. sr("start()\n", "start()\nrun()\n") .. sr("stop()\n", "halt()\n"),
    gives = { ["a.py"] = "start()\nrun()\nhalt()\n" },
  },
  {
    name = "a first attempt and a corrected one on the same lines",
    files = FILES,
    reply = "a.py\n```python\n" .. sr("y = 2\n", "y = 20\n") .. "```\nActually, that is too much. Rather:\n```python\n" .. sr("y = 2\n", "y = 4\n") .. "```\n",
    refused = "overlap",
    says = { "blocks 1 and 2", "`a.py`", "line 2" },
  },
  {
    name = "the same block twice, in the plan and in the answer",
    files = FILES,
    reply = "a.py\n```python\n" .. sr("y = 2\n", "y = 21\n") .. "```\nSo, in full:\na.py\n```python\n" .. sr("y = 2\n", "y = 21\n") .. "```\n",
    gives = { ["a.py"] = "x = 1\ny = 21\nz = 3\n" },
  },
  {
    name = "three refused blocks are told of at once",
    files = FILES,
    reply = "a.py\n" .. sr("not_in_the_file(at_all)\n", "x\n") .. "d.py\n" .. sr("x = 1\n", "x = 2\n") .. "../b.py\n" .. sr("x = 1\n", "x = 2\n"),
    refused = "not_found",
    says = { "block 1 of 3", "Also, block 2 of 3", "no file `d.py`", "Also, block 3 of 3", "`../b.py`" },
    blocks = { { refused = "not_found" }, { refused = "missing_file" }, { refused = "bad_path" } },
  },
  {
    name = "of many refused blocks the first three are told of",
    files = FILES,
    reply = "a.py\n" .. sr("nowhere(1)\n", "x\n") .. sr("nowhere(2)\n", "x\n") .. sr("nowhere(3)\n", "x\n") .. sr("nowhere(4)\n", "x\n"),
    refused = "not_found",
    says = { "nowhere(1)", "nowhere(2)", "nowhere(3)", "The blocks behind that one were not looked at" },
    blocks = { { refused = "not_found" }, { refused = "not_found" }, { refused = "not_found" } },
  },
  {
    name = "a corrected attempt that overlaps only in part",
    files = FILES,
    reply = "a.py\n" .. sr("x = 1\ny = 2\n", "x = 3\ny = 3\n") .. "\nWait, z as well:\n" .. sr("y = 2\nz = 3\n", "y = 4\nz = 4\n"),
    refused = "overlap",
    says = { "blocks 1 and 2", "join changes that touch the same" },
  },
  {
    name = "a whole file given twice",
    files = FILES,
    reply = "c.py\n```\nc = 1\n```\nOn second thought:\nc.py\n```\nc = 2\n```\n",
    refused = "overlap",
    says = { "block 2 of 2", "`c.py`" },
  },
  {
    name = "a whole file and an edit of it",
    files = FILES,
    reply = "c.py\n```\nc = 1\n```\n\nc.py\n" .. sr("c = 0\n", "c = 2\n"),
    refused = "overlap",
    says = "either once as a whole, or as edits",
  },
  {
    name = "one good block and one that is nowhere change nothing",
    files = FILES,
    reply = "a.py\n" .. sr("x = 1\n", "x = 2\n") .. "b.py\n" .. sr("def nothing_like_this(at, all):\n", "pass\n"),
    refused = "not_found",
    says = { "block 2 of 2", "`b.py`", "def nothing_like_this(at, all):" },
    blocks = { { path = "a.py", rung = "exact" }, { path = "b.py" } },
  },
  {
    name = "an unchanged quotation of the file beside an edit of it",
    files = FILES,
    reply = "c.py is short:\n\nc.py\n```python\nc = 0\n```\n\nIt becomes\n\nc.py\n```python\n" .. sr("c = 0\n", "c = 1\n") .. "```\n",
    gives = { ["c.py"] = "c = 1\n" },
  },
  {
    name = "usage and output fences around the change are passed over",
    files = FILES,
    reply = "Run it:\n```sh\npython a.py --x 1\n```\n\n" .. "a.py\n```python\n" .. sr("x = 1\n", "x = 6\n") .. "```\n\nIt prints:\n```\n6\n```\n",
    gives = { ["a.py"] = "x = 6\ny = 2\nz = 3\n" },
  },
  {
    name = "the same edit in a plan and in a quotation of the rules",
    files = FILES,
    reply = "> Use blocks such as\n> <<<<<<< SEARCH\n> old\n> =======\n> new\n> >>>>>>> REPLACE\n\na.py\n" .. sr("x = 1\n", "x = 11\n"),
    gives = { ["a.py"] = "x = 11\ny = 2\nz = 3\n" },
  },
}
