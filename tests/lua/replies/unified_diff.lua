-- Unified diffs as models write them: headers, counts, signs and fences of every sort.

local TRAIN = [[
import torch
from model import GPT

LR = 3e-4
WARMUP = 100


def schedule(step):
    if step < WARMUP:
        return LR * step / WARMUP
    return LR


def main():
    model = GPT()
    opt = torch.optim.AdamW(model.parameters(), lr=LR)
    for step in range(1000):
        opt.param_groups[0]["lr"] = schedule(step)
        loss = model.step()
    print(loss)
]]

local function with(old, new)
  local first, last = TRAIN:find(old, 1, true)
  return TRAIN:sub(1, first - 1) .. new .. TRAIN:sub(last + 1)
end

local FILES = { ["train.py"] = TRAIN, ["model.py"] = "class GPT:\n    depth = 12\n    width = 768\n" }
local FASTER = { ["train.py"] = with("LR = 3e-4", "LR = 6e-4") }
local COSINE = { ["train.py"] = with("    return LR\n", "    return LR * 0.5 * (1 + math.cos(step / 1000 * math.pi))\n") }

return {
  {
    name = "git's own output, index line and all",
    files = FILES,
    reply = [[
diff --git a/train.py b/train.py
index 83db48f..bf269f4 100644
--- a/train.py
+++ b/train.py
@@ -1,7 +1,7 @@
 import torch
 from model import GPT
 
-LR = 3e-4
+LR = 6e-4
 WARMUP = 100
 
 
]],
    gives = FASTER,
    blocks = { { form = "udiff", path = "train.py", rung = "exact", line = 1 } },
  },
  {
    name = "diff -u with time stamps and no a/ or b/",
    files = FILES,
    reply = "--- train.py\t2024-11-02 09:14:55.000000000 +0100\n+++ train.py\t2024-11-02 09:15:31.000000000 +0100\n" ..
      "@@ -3,4 +3,4 @@\n \n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n \n",
    gives = FASTER,
  },
  {
    name = "an svn diff with Index and revision remarks",
    files = FILES,
    reply = "Index: train.py\n===================================================================\n--- train.py\t(revision 12)\n+++ train.py\t(working copy)\n" ..
      "@@ -4,2 +4,2 @@\n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n",
    gives = FASTER,
  },
  {
    name = "remarks in brackets behind the names",
    files = FILES,
    reply = "```diff\n--- a/train.py (original)\n+++ b/train.py (modified)\n@@ -4,2 +4,2 @@\n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n```\n",
    gives = FASTER,
  },
  {
    name = "original and modified stand for the name of the only editable file",
    files = FILES,
    rules = { editable = { "train.py" } },
    reply = "```diff\n--- original.py\n+++ modified.py\n@@ -4,2 +4,2 @@\n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n```\n",
    gives = FASTER,
  },
  {
    name = "the second name is that of a copy with .new at its end",
    files = FILES,
    reply = "--- train.py\n+++ train.py.new\n@@ -4 +4 @@\n-LR = 3e-4\n+LR = 6e-4\n",
    gives = FASTER,
  },
  {
    name = "old/ and new/ in place of a/ and b/",
    files = FILES,
    reply = "--- old/train.py\n+++ new/train.py\n@@ -4 +4 @@\n-LR = 3e-4\n+LR = 6e-4\n",
    gives = FASTER,
  },
  {
    name = "only the --- line is there",
    files = FILES,
    reply = "I double the rate.\n\n```diff\n--- a/train.py\n@@ -4,2 +4,2 @@\n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n```\n",
    gives = FASTER,
  },
  {
    name = "only the +++ line is there",
    files = FILES,
    reply = "```diff\n+++ b/train.py\n@@\n-LR = 3e-4\n+LR = 6e-4\n```\n",
    gives = FASTER,
  },
  {
    name = "no @@ line at all",
    files = FILES,
    reply = "```diff\n--- a/train.py\n+++ b/train.py\n from model import GPT\n \n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n```\n",
    gives = FASTER,
  },
  {
    name = "a bare @@ without numbers",
    files = FILES,
    reply = "--- a/train.py\n+++ b/train.py\n@@\n from model import GPT\n \n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n",
    gives = FASTER,
  },
  {
    name = "dots where the numbers belong",
    files = FILES,
    reply = "```diff\n--- a/train.py\n+++ b/train.py\n@@ ... @@\n-LR = 3e-4\n+LR = 6e-4\n```\n",
    gives = FASTER,
  },
  {
    name = "letters where the numbers belong",
    files = FILES,
    reply = "```diff\n--- a/train.py\n+++ b/train.py\n@@ -XX,3 +XX,3 @@\n \n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n```\n",
    gives = FASTER,
  },
  {
    name = "no space between the signs of the hunk header",
    files = FILES,
    reply = "--- a/train.py\n+++ b/train.py\n@@-4,2 +4,2@@\n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n",
    gives = FASTER,
  },
  {
    name = "numbers and counts that are all wrong",
    files = FILES,
    reply = "--- a/train.py\n+++ b/train.py\n@@ -41,17 +52,9 @@ def schedule(step):\n     if step < WARMUP:\n         return LR * step / WARMUP\n-    return LR\n" ..
      "+    return LR * 0.5 * (1 + math.cos(step / 1000 * math.pi))\n \n \n def main():\n",
    gives = COSINE,
  },
  {
    name = "the path stands in the @@ line only",
    files = FILES,
    reply = "```diff\n@@ train.py @@\n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n```\n",
    gives = FASTER,
  },
  {
    name = "the path stands behind the numbers of the @@ line",
    files = FILES,
    reply = "```diff\n@@ -4,2 +4,2 @@ train.py\n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n```\n",
    gives = FASTER,
  },
  {
    name = "blank context lines lost their space, also in a bare diff",
    files = FILES,
    reply = "--- a/train.py\n+++ b/train.py\n@@ -2,5 +2,5 @@\n from model import GPT\n\n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n\n\nThat is all.\n",
    gives = FASTER,
  },
  {
    name = "context lines lost their space inside a fence",
    files = FILES,
    reply = "```diff\n--- a/train.py\n+++ b/train.py\n@@ -2,4 +2,4 @@\nfrom model import GPT\n\n-LR = 3e-4\n+LR = 6e-4\nWARMUP = 100\n```\n",
    gives = FASTER,
  },
  {
    name = "a diff without any header, in a diff fence below the file's name",
    files = FILES,
    reply = "### train.py\n\n```diff\n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n```\n\nDone.\n",
    gives = FASTER,
  },
  {
    name = "two hunks, the second below its own fence and without a name",
    files = FILES,
    reply = "```diff\n--- a/train.py\n+++ b/train.py\n@@\n-LR = 3e-4\n+LR = 6e-4\n```\nThen, further down:\n```diff\n@@\n-    for step in range(1000):\n+    for step in range(2000):\n```\n",
    gives = { ["train.py"] = with("LR = 3e-4", "LR = 6e-4"):gsub("range%(1000%)", "range(2000)") .. "" },
  },
  {
    name = "two files in one fence",
    files = FILES,
    reply = "```diff\n--- a/model.py\n+++ b/model.py\n@@ -1,3 +1,3 @@\n class GPT:\n-    depth = 12\n+    depth = 8\n     width = 768\n--- a/train.py\n+++ b/train.py\n" ..
      "@@ -4,2 +4,2 @@\n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n```\n",
    gives = { ["model.py"] = "class GPT:\n    depth = 8\n    width = 768\n", ["train.py"] = FASTER["train.py"] },
    blocks = { { path = "model.py", form = "udiff" }, { path = "train.py", form = "udiff" } },
  },
  {
    name = "two files, each with its +++ line alone, and wrong counts",
    files = FILES,
    reply = "```diff\n+++ b/model.py\n@@ -1,9 +1,9 @@\n class GPT:\n-    depth = 12\n+    depth = 9\n     width = 768\n+++ b/train.py\n@@ -4,9 +4,9 @@\n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n```\n",
    gives = { ["model.py"] = "class GPT:\n    depth = 9\n    width = 768\n", ["train.py"] = FASTER["train.py"] },
  },
  {
    name = "a mail that git format-patch made, with its signature",
    files = FILES,
    reply = "From 1234567 Mon Sep 17 00:00:00 2001\nFrom: A Model <a@b.c>\nSubject: [PATCH] faster\n\n---\n train.py | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n\n" ..
      "diff --git a/train.py b/train.py\nindex 1..2 100644\n--- a/train.py\n+++ b/train.py\n@@ -3,3 +3,3 @@ from model import GPT\n \n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n-- \n2.39.2\n",
    gives = FASTER,
  },
  {
    name = "a new file against /dev/null",
    files = FILES,
    reply = "```diff\n--- /dev/null\n+++ b/optim.py\n@@ -0,0 +1,3 @@\n+class Lion:\n+    beta = 0.9\n+    decay = 0.1\n```\n",
    gives = { ["optim.py"] = "class Lion:\n    beta = 0.9\n    decay = 0.1\n" },
  },
  {
    name = "a new file whose blank lines lost their plus, with a wrong count",
    files = FILES,
    reply = "```diff\ndiff --git a/optim.py b/optim.py\nnew file mode 100644\n--- /dev/null\n+++ b/optim.py\n@@ -0,0 +1,9 @@\n+import torch\n\n+class Lion:\n+    pass\n```\n",
    gives = { ["optim.py"] = "import torch\n\nclass Lion:\n    pass\n" },
  },
  {
    name = "a new file against a/dev/null",
    files = FILES,
    reply = "```diff\n--- a/dev/null\n+++ b/sgd.py\n@@ -0,0 +1,1 @@\n+MOMENTUM = 0.9\n```\n",
    gives = { ["sgd.py"] = "MOMENTUM = 0.9\n" },
  },
  {
    name = "a deleted file",
    files = FILES,
    reply = "diff --git a/model.py b/model.py\ndeleted file mode 100644\nindex 3f..00\n--- a/model.py\n+++ /dev/null\n@@ -1,3 +0,0 @@\n-class GPT:\n-    depth = 12\n-    width = 768\n",
    gives = { ["model.py"] = false },
  },
  {
    name = "a renamed file with a change inside",
    files = FILES,
    reply = "diff --git a/model.py b/gpt.py\nsimilarity index 90%\nrename from model.py\nrename to gpt.py\nindex 1..2 100644\n--- a/model.py\n+++ b/gpt.py\n" ..
      "@@ -1,3 +1,3 @@\n class GPT:\n-    depth = 12\n+    depth = 6\n     width = 768\n",
    gives = { ["model.py"] = false, ["gpt.py"] = "class GPT:\n    depth = 6\n    width = 768\n" },
  },
  {
    name = "a copied file keeps the old one",
    files = FILES,
    reply = "diff --git a/model.py b/wide.py\nsimilarity index 88%\ncopy from model.py\ncopy to wide.py\nindex 1..2 100644\n--- a/model.py\n+++ b/wide.py\n" ..
      "@@ -2,2 +2,2 @@ class GPT:\n     depth = 12\n-    width = 768\n+    width = 1024\n",
    gives = { ["wide.py"] = "class GPT:\n    depth = 12\n    width = 1024\n" },
  },
  {
    name = "mode lines beside a real change are passed over",
    files = FILES,
    reply = "diff --git a/train.py b/train.py\nold mode 100644\nnew mode 100755\nindex 1..2\n--- a/train.py\n+++ b/train.py\n@@ -4 +4 @@\n-LR = 3e-4\n+LR = 6e-4\n",
    gives = FASTER,
  },
  {
    name = "removed and added lines that look like headers",
    files = { ["notes.lua"] = "local a\n-- old remark\nlocal b\n" },
    reply = "```diff\n--- a/notes.lua\n+++ b/notes.lua\n@@ -1,3 +1,3 @@\n local a\n--- old remark\n+++ new_remark()\n local b\n```\n",
    gives = { ["notes.lua"] = "local a\n++ new_remark()\nlocal b\n" },
  },
  {
    name = "a diff of a file that holds fences, in a fence of the same length",
    files = { ["README.md"] = "# GPT\n\nRun:\n\n```sh\npython train.py\n```\n\nThat is all.\n" },
    reply = "```diff\n--- a/README.md\n+++ b/README.md\n@@ -3,7 +3,7 @@\n Run:\n \n ```sh\n-python train.py\n+python train.py --fast\n ```\n \n That is all.\n```\n",
    gives = { ["README.md"] = "# GPT\n\nRun:\n\n```sh\npython train.py --fast\n```\n\nThat is all.\n" },
  },
  {
    name = "a whole diff inside an indented list item",
    files = { ["model.py"] = "class GPT:\n    depth = 12\n" },
    reply = "1. Fewer layers:\n\n   ```diff\n   --- a/model.py\n   +++ b/model.py\n   @@ -1,2 +1,2 @@\n    class GPT:\n   -    depth = 12\n   +    depth = 8\n   ```\n\n2. Nothing else.\n",
    gives = { ["model.py"] = "class GPT:\n    depth = 8\n" },
  },
  {
    name = "names in quotes and with octal escapes",
    files = { ["d\195\164ta.py"] = "a = 1\n" },
    reply = "--- \"a/d\\303\\244ta.py\"\n+++ \"b/d\\303\\244ta.py\"\n@@ -1 +1 @@\n-a = 1\n+a = 2\n",
    gives = { ["d\195\164ta.py"] = "a = 2\n" },
  },
  {
    name = "a diff whose fence is never closed but whose counts are right",
    files = FILES,
    reply = "```diff\n--- a/train.py\n+++ b/train.py\n@@ -3,3 +3,3 @@\n \n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n",
    gives = FASTER,
  },
  {
    name = "a fence that four signs open and three close",
    files = FILES,
    reply = "````diff\n--- a/train.py\n+++ b/train.py\n@@ -3,3 +3,3 @@\n \n-LR = 3e-4\n+LR = 6e-4\n WARMUP = 100\n```\n\nThis doubles the rate.\n",
    gives = FASTER,
  },
  {
    name = "a removed comment behind a blank line where the counts are already met",
    files = { ["a.lua"] = "local a = 1\n\n--- The second.\nlocal b = 2\n" },
    reply = "--- a/a.lua\n+++ b/a.lua\n@@ -1 +1,2 @@\n local a = 1\n+local c = 3\n\n----- The second.\n local b = 2\n",
    refused = "malformed", says = "looks like a changed line",
  },
}
