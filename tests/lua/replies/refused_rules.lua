-- Regions, binary and oversized files, and results that are no change.

local EVOLVE = [[
import numpy as np

# EVOLVE-BLOCK-START
def centers(n):
    return np.random.rand(n, 2)
# EVOLVE-BLOCK-END

def score(points):
    return len(points)

# EVOLVE-BLOCK-START
N = 26
# EVOLVE-BLOCK-END
]]
local FILES = { ["pack.py"] = EVOLVE }
local RULES = { editable = { "*.py" }, region = "EVOLVE-BLOCK" }
local function sr(old, new) return "<<<<<<< SEARCH\n" .. old .. "=======\n" .. new .. ">>>>>>> REPLACE\n" end
local function case(name, reply, code, says) return { name = name, files = FILES, rules = RULES, reply = reply, refused = code, says = says } end
local function change(old, new) return { ["pack.py"] = EVOLVE:gsub(old, new) .. "" } end

return {
  {
    name = "an edit inside a region",
    files = FILES,
    rules = RULES,
    reply = sr("    return np.random.rand(n, 2)\n", "    return np.zeros((n, 2))\n"),
    gives = change("np%.random%.rand%(n, 2%)", "np.zeros((n, 2))"),
  },
  {
    name = "a diff that shows a marker as context",
    files = FILES,
    rules = RULES,
    reply = "--- a/pack.py\n+++ b/pack.py\n@@ -11,3 +11,3 @@\n # EVOLVE-BLOCK-START\n-N = 26\n+N = 32\n # EVOLVE-BLOCK-END\n",
    gives = change("N = 26", "N = 32"),
  },
  {
    name = "a whole file that is the same outside the regions",
    files = FILES,
    rules = RULES,
    reply = "pack.py\n```python\n" .. EVOLVE:gsub("N = 26", "N = 20\nM = N // 2") .. "```\n",
    gives = change("N = 26", "N = 20\nM = N // 2"),
  },
  {
    name = "a region that a whole file empties",
    files = FILES,
    rules = RULES,
    reply = "pack.py\n```python\n" .. EVOLVE:gsub("N = 26\n", "") .. "```\n",
    gives = change("N = 26\n", ""),
  },
  case("an edit outside the regions", sr("    return len(points)\n", "    return 1e9\n"), "outside_region", { "block 1 of 1", "line 9", "return len(points)" }),
  case("an import added above the first region", "--- a/pack.py\n+++ b/pack.py\n@@ -1,2 +1,3 @@\n import numpy as np\n+import math\n \n", "outside_region",
    { "EVOLVE-BLOCK-START and EVOLVE-BLOCK-END", "line 2" }),
  case("a second block outside after a first one inside", "```diff\n--- a/pack.py\n+++ b/pack.py\n@@ -12 +12 @@\n-N = 26\n+N = 30\n```\n" .. "pack.py\n" .. sr("    return len(points)\n", "    return 0\n"),
    "outside_region", "block 2 of 2"),
  case("a search block that spans a marker", sr("    return np.random.rand(n, 2)\n# EVOLVE-BLOCK-END\n", "    return np.ones((n, 2))\n# EVOLVE-BLOCK-END\n"),
    "region_marker", { "Leave the marker lines out" }),
  case("a marker that goes", "--- a/pack.py\n+++ b/pack.py\n@@ -4,3 +4,2 @@\n def centers(n):\n     return np.random.rand(n, 2)\n-# EVOLVE-BLOCK-END\n", "region_marker", "may not be changed, moved"),
  case("a pair of markers added around the score", "pack.py\n```python\n" .. EVOLVE:gsub("def score", "# EVOLVE-BLOCK-START\ndef score") .. "```\n", "region_marker", "removed or added"),
  case("a marker spelt anew in a whole file", "pack.py\n```python\n" .. EVOLVE:gsub("# EVOLVE%-BLOCK%-START", "#EVOLVE-BLOCK-START") .. "```\n", "region_marker", "Edit only the lines between them"),
  case("a whole file without its regions", "pack.py\n```python\nimport numpy as np\n\ndef centers(n):\n    return np.zeros((n, 2))\n```\n", "region_marker", "`pack.py`"),
  case("a new file where there are regions", "fresh.py\n```python\nx = 1\n```\n", "outside_region", { "creates `fresh.py`", "existing files" }),
  case("a deleted file where there are regions", "*** Begin Patch\n*** Delete File: pack.py\n*** End Patch\n", "outside_region", "deletes `pack.py`"),
  case("a renamed file where there are regions", "diff --git a/pack.py b/p.py\nsimilarity index 100%\nrename from pack.py\nrename to p.py\n", "outside_region", "renames `pack.py`"),
  case("a copied file where there are regions", "diff --git a/pack.py b/p.py\nsimilarity index 100%\ncopy from pack.py\ncopy to p.py\n", "outside_region", "copies `pack.py`"),
  {
    name = "a binary file",
    files = { ["weights.bin"] = "\0\1\2\3\n" },
    reply = "weights.bin\n" .. sr("\0\1\2\3\n", "\0\0\0\0\n"),
    refused = "binary",
    says = "`weights.bin`",
  },
  {
    name = "a binary patch of git's",
    files = { ["weights.bin"] = "w\n" },
    reply = "diff --git a/weights.bin b/weights.bin\nindex 1..2 100644\nGIT binary patch\nliteral 3\nKcmZQzU|?he00000\n\n",
    refused = "binary",
    says = "binary changes are not accepted",
  },
  {
    name = "NUL bytes as new text",
    files = { ["a.py"] = "a = 1\n" },
    reply = "a.py\n" .. sr("a = 1\n", "a = '\0'\n"),
    refused = "binary",
    says = "would hold NUL bytes",
  },
  {
    name = "a reply of more than four megabytes",
    files = { ["a.py"] = "a = 1\n" },
    reply = ("# talk talk talk talk talk talk talk\n"):rep(120000),
    refused = "too_large",
    says = { "the reply has", "only the changed parts" },
  },
  {
    name = "a file of more than four megabytes",
    files = { ["big.py"] = ("x = 1234567890123456789\n"):rep(180000) .. "end = 1\n" },
    reply = "big.py\n" .. sr("end = 1\n", "end = 2\n"),
    refused = "too_large",
    says = "`big.py` has",
  },
  {
    name = "a replacement equal to what it replaces",
    files = { ["a.py"] = "a = 1\nb = 2\n" },
    reply = "a.py\n" .. sr("a = 1\nb = 2\n", "a = 1\nb = 2\n"),
    refused = "no_op",
    says = { "changes nothing" },
  },
  {
    name = "a chain of edits that ends where it began",
    files = { ["a.py"] = "a = 1\nb = 2\n" },
    reply = "a.py\n" .. sr("a = 1\n", "a = 9\n") .. sr("a = 9\n", "a = 1\n"),
    refused = "no_op",
    says = "every file is what it was",
  },
  {
    name = "a diff that removes a line and adds it again",
    files = { ["a.py"] = "a = 1\nb = 2\n" },
    reply = "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n-a = 1\n+a = 1\n b = 2\n",
    refused = "no_op",
    says = "changes nothing",
  },
  {
    name = "a diff of modes alone",
    files = { ["a.py"] = "a = 1\n" },
    reply = "diff --git a/a.py b/a.py\nold mode 100644\nnew mode 100755\n",
    refused = "no_op",
    says = { "only the mode", "`a.py`" },
  },
}
