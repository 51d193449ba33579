-- Paths: prefixes that do no harm, and all that leaves the folder, deceives or is frozen.

local FILES = { ["env.lua"] = "return {}\n", ["evaluate.py"] = "score = 1\n", ["lib/a.py"] = "a = 1\n", ["lib/keep.py"] = "k = 1\n", ["train.py"] = "t = 1\n" }
local RULES = { editable = { "train.py", "lib/*.py" }, frozen = { "lib/keep.py" }, folder = "nanogpt" }
local MAY = "lib/a.py, train.py"
local function sr(path, old, new) return path .. "\n<<<<<<< SEARCH\n" .. old .. "\n=======\n" .. new .. "\n>>>>>>> REPLACE\n" end
local function case(name, reply, code, says) return { name = name, files = FILES, rules = RULES, reply = reply, refused = code, says = says } end

return {
  {
    name = "./ in front of a name does no harm",
    files = FILES,
    rules = RULES,
    reply = sr("./train.py", "t = 1", "t = 2"),
    gives = { ["train.py"] = "t = 2\n" },
  },
  {
    name = "a/ in front of a name outside a diff is git's",
    files = FILES,
    rules = RULES,
    reply = sr("a/lib/a.py", "a = 1", "a = 2"),
    gives = { ["lib/a.py"] = "a = 2\n" },
  },
  {
    name = "the environment's own folder in front of a name",
    files = FILES,
    rules = RULES,
    reply = "```diff\n--- nanogpt/train.py\n+++ nanogpt/train.py\n@@ -1 +1 @@\n-t = 1\n+t = 3\n```\n",
    gives = { ["train.py"] = "t = 3\n" },
  },
  {
    name = "the environment's own folder in front of a new file's name",
    files = FILES,
    rules = RULES,
    reply = "nanogpt/lib/new.py\n```python\nn = 1\n```\n",
    gives = { ["lib/new.py"] = "n = 1\n" },
  },
  {
    name = "a real folder called a is not git's",
    files = { ["a/x.py"] = "x = 1\n", ["x.py"] = "x = 1\n" },
    reply = sr("a/x.py", "x = 1", "x = 2"),
    gives = { ["a/x.py"] = "x = 2\n" },
  },
  case("a folder that only the model knows", "--- src/train.py\n+++ src/train.py\n@@ -1 +1 @@\n-t = 1\n+t = 2\n", "frozen", { "`src/train.py`", MAY }),
  case("an absolute path whose end is an editable file", sr("/work/nanogpt/train.py", "t = 1", "t = 2"), "bad_path", { "`/work/nanogpt/train.py`", "relative to its folder" }),
  case("a path that climbs out", sr("../train.py", "t = 1", "t = 2"), "bad_path", "`../train.py`"),
  case("a path that climbs out half-way and comes back", "--- a/lib/../train.py\n+++ b/lib/../train.py\n@@\n-t = 1\n+t = 2\n", "bad_path", "`lib/../train.py`"),
  case("a new file outside", "../../home/.bashrc\n```sh\necho\n```\n", "bad_path", "not a path inside"),
  case("a Windows path", sr("lib\\a.py", "a = 1", "a = 2"), "bad_path", { "`lib\\a.py`", "backslashes" }),
  case("a drive letter", "*** Begin Patch\n*** Update File: C:\\work\\train.py\n@@\n-t = 1\n+t = 2\n*** End Patch\n", "bad_path", "backslashes"),
  case("a name in other letters than the file's", sr("Train.py", "t = 1", "t = 2"), "bad_path", { "`Train.py`", "upper and lower case", "`train.py`" }),
  case("a folder in other letters than the folder's", "LIB/new.py\n```\nx = 1\n```\n", "bad_path", { "`LIB/new.py`", "lib/" }),
  case("a file used as a folder", "train.py/new.py\n```\nx = 1\n```\n", "bad_path", { "`train.py` is a file" }),
  case("a folder used as a file", "*** Begin Patch\n*** Add File: lib\n+x\n*** End Patch\n", "bad_path", { "`lib` is a folder" }),
  case("a doubled slash", sr("lib//a.py", "a = 1", "a = 2"), "bad_path", "`lib//a.py`"),
  case("a NUL in a path", "*** Begin Patch\n*** Update File: tra\0in.py\n@@\n-t = 1\n+t = 2\n*** End Patch\n", "bad_path", "not a path inside"),
  case("a NUL in a quoted name of a diff", "--- \"a/train.py\\000.txt\"\n+++ \"b/train.py\\000.txt\"\n@@ -1 +1 @@\n-t = 1\n+t = 2\n", "bad_path", "not a path inside"),
  case("an empty name", "--- \"\"\n+++ \"\"\n@@ -1 +1 @@\n-t = 1\n+t = 2\n", "bad_path", "not a path inside"),
  case("a frozen file", sr("evaluate.py", "score = 1", "score = 100"), "frozen", { "`evaluate.py` is frozen", MAY }),
  case("a frozen file in a reply that is fine otherwise", sr("train.py", "t = 1", "t = 2") .. sr("evaluate.py", "score = 1", "score = 2"), "frozen", "block 2 of 2"),
  case("a file that the frozen list takes back", "lib/keep.py\n```\nk = 2\n```\n", "frozen", "`lib/keep.py`"),
  case("env.lua itself", "--- a/env.lua\n+++ b/env.lua\n@@ -1 +1 @@\n-return {}\n+return { x = 1 }\n", "frozen", "`env.lua`"),
  case("a new file that no glob allows", "notes.md\n```\nidea\n```\n", "frozen", { "`notes.md`", "created" }),
  case("a frozen file deleted", "*** Begin Patch\n*** Delete File: evaluate.py\n*** End Patch\n", "frozen", "`evaluate.py`"),
  case("a frozen file renamed away", "diff --git a/evaluate.py b/lib/e.py\nsimilarity index 100%\nrename from evaluate.py\nrename to lib/e.py\n", "frozen", "`evaluate.py`"),
  case("an editable file renamed to a place that is frozen", "diff --git a/train.py b/main.py\nsimilarity index 100%\nrename from train.py\nrename to main.py\n", "frozen", "`main.py`"),
  case("a frozen file copied", "diff --git a/evaluate.py b/lib/e.py\nsimilarity index 100%\ncopy from evaluate.py\ncopy to lib/e.py\n", "frozen", "`evaluate.py`"),
  case("a misspelt name", sr("trian.py", "t = 1", "t = 2"), "frozen", { "`trian.py` does not exist", MAY }),
  case("a file that is not there, in a folder where it might be", sr("lib/b.py", "b = 1", "b = 2"), "missing_file", { "no file `lib/b.py`", MAY, "send it whole" }),
  case("a file made that exists", "diff --git a/train.py b/train.py\nnew file mode 100644\n--- /dev/null\n+++ b/train.py\n@@ -0,0 +1 @@\n+t = 5\n", "exists", "`train.py`"),
  case("a file renamed onto another", "diff --git a/train.py b/lib/a.py\nsimilarity index 100%\nrename from train.py\nrename to lib/a.py\n", "exists", "`lib/a.py`"),
}
