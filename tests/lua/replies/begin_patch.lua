-- The `*** Begin Patch` form: sections, anchors, new, deleted and moved files.

local NET = [[
class Block:
    def forward(self, x):
        x = self.norm(x)
        return x


class Head:
    def forward(self, x):
        x = self.norm(x)
        return x


def build():
    return Head()
]]

local FILES = { ["net.py"] = NET, ["util.py"] = "EPS = 1e-6\n" }

return {
  {
    name = "an update with context",
    files = FILES,
    reply = "*** Begin Patch\n*** Update File: util.py\n@@\n-EPS = 1e-6\n+EPS = 1e-8\n*** End Patch\n",
    gives = { ["util.py"] = "EPS = 1e-8\n" },
    blocks = { { form = "begin_patch", path = "util.py", rung = "exact", line = 1 } },
  },
  {
    name = "an update without @@, in the shell command that would run it",
    files = FILES,
    reply = "```bash\napply_patch <<'EOF'\n*** Begin Patch\n*** Update File: net.py\n def build():\n-    return Head()\n+    return Head().eval()\n*** End Patch\nEOF\n```\n",
    gives = { ["net.py"] = NET:gsub("Head%(%)\n", "Head().eval()\n") .. "" },
  },
  {
    name = "an anchor says which of two equal places",
    files = FILES,
    reply = "*** Begin Patch\n*** Update File: net.py\n@@ class Head:\n     def forward(self, x):\n-        x = self.norm(x)\n+        x = self.norm(x) * 0.5\n         return x\n*** End Patch\n",
    gives = { ["net.py"] = NET:gsub("(class Head:.-self%.norm%(x%))", "%1 * 0.5") .. "" },
  },
  {
    name = "two anchors, one below the other",
    files = FILES,
    reply = "*** Begin Patch\n*** Update File: net.py\n@@ class Head:\n@@ def forward(self, x):\n-        x = self.norm(x)\n+        x = self.norm(x) * 0.25\n*** End Patch\n",
    gives = { ["net.py"] = NET:gsub("(class Head:.-self%.norm%(x%))", "%1 * 0.25") .. "" },
  },
  {
    name = "an anchor that is not in the file decides nothing",
    files = FILES,
    reply = "*** Begin Patch\n*** Update File: net.py\n@@ class Tail:\n     def forward(self, x):\n-        x = self.norm(x)\n+        x = self.norm(x) * 0.5\n*** End Patch\n",
    refused = "ambiguous",
    says = { "block 1 of 1", "lines 2, 8" },
  },
  {
    name = "numbered hunk headers and repeated names, as in a unified diff",
    files = FILES,
    reply = "*** Begin Patch\n*** Update File: util.py\n--- a/util.py\n+++ b/util.py\n@@ -1,1 +1,2 @@\n EPS = 1e-6\n+CLIP = 1.0\n*** End Patch\n",
    gives = { ["util.py"] = "EPS = 1e-6\nCLIP = 1.0\n" },
  },
  {
    name = "three sections: one added, one deleted, one updated",
    files = FILES,
    reply = "*** Begin Patch\n*** Add File: nn/lion.py\n+import math\n+\n+BETA = 0.9\n*** Delete File: util.py\n*** Update File: net.py\n@@\n def build():\n-    return Head()\n+    return Block()\n*** End Patch\n",
    gives = { ["nn/lion.py"] = "import math\n\nBETA = 0.9\n", ["util.py"] = false, ["net.py"] = NET:gsub("return Head", "return Block") .. "" },
    blocks = { { path = "nn/lion.py", form = "begin_patch" }, { path = "util.py" }, { path = "net.py" } },
  },
  {
    name = "a moved file with a change",
    files = FILES,
    reply = "*** Begin Patch\n*** Update File: util.py\n*** Move to: lib/consts.py\n@@\n-EPS = 1e-6\n+EPS = 1e-5\n*** End Patch\n",
    gives = { ["util.py"] = false, ["lib/consts.py"] = "EPS = 1e-5\n" },
  },
  {
    name = "End of File behind the last hunk",
    files = { ["log.txt"] = "a\nend\nb\nend\n" },
    reply = "*** Begin Patch\n*** Update File: log.txt\n@@\n-end\n+stop\n*** End of File\n*** End Patch\n",
    gives = { ["log.txt"] = "a\nend\nb\nstop\n" },
  },
  {
    name = "lines added at the end of the file",
    files = FILES,
    reply = "*** Begin Patch\n*** Update File: util.py\n@@\n+CLIP = 1.0\n*** End of File\n*** End Patch\n",
    gives = { ["util.py"] = "EPS = 1e-6\nCLIP = 1.0\n" },
  },
  {
    name = "a new file without plus signs",
    files = FILES,
    reply = "*** Begin Patch\n*** Add File: conf.py\nDEPTH = 4\n\nWIDTH = 64\n*** End Patch\n",
    gives = { ["conf.py"] = "DEPTH = 4\n\nWIDTH = 64\n" },
  },
  {
    name = "no Begin line, and a fence instead of End Patch",
    files = FILES,
    reply = "```diff\n*** Update File: util.py\n@@\n-EPS = 1e-6\n+EPS = 1e-9\n```\n",
    gives = { ["util.py"] = "EPS = 1e-9\n" },
  },
  {
    name = "blank context lines lost their space",
    files = FILES,
    reply = "*** Begin Patch\n*** Update File: net.py\n@@\n         return x\n\n\n-def build():\n+def build_head():\n*** End Patch\n",
    gives = { ["net.py"] = NET:gsub("def build", "def build_head") .. "" },
  },
  {
    name = "an update of a file that is not there",
    files = FILES,
    reply = "*** Begin Patch\n*** Update File: nets.py\n@@\n-a\n+b\n*** End Patch\n",
    refused = "missing_file",
    says = { "*** Begin Patch section for `nets.py`", "net.py, util.py" },
  },
  {
    name = "an added file that exists",
    files = FILES,
    reply = "*** Begin Patch\n*** Add File: util.py\n+EPS = 0\n*** End Patch\n",
    refused = "exists",
    says = "`util.py`",
  },
  {
    name = "a deleted file that does not exist",
    files = FILES,
    reply = "*** Begin Patch\n*** Delete File: old_util.py\n*** End Patch\n",
    refused = "missing_file",
    says = "`old_util.py`",
  },
  {
    name = "the End Patch line never came",
    files = FILES,
    reply = "*** Begin Patch\n*** Update File: util.py\n@@\n-EPS = 1e-6\n+EPS = 1e-7\n",
    refused = "truncated",
    says = { "*** End Patch", "cut off" },
  },
  {
    name = "a new file with a line that lost its plus",
    files = FILES,
    reply = "*** Begin Patch\n*** Add File: conf.py\n+def f():\n    return 1\n+X = 2\n*** End Patch\n",
    refused = "malformed",
    says = { "line 4 of the reply", "does not begin with `+`" },
  },
  {
    name = "a section without a change",
    files = FILES,
    reply = "*** Begin Patch\n*** Update File: util.py\n*** End Patch\n",
    refused = "malformed",
    says = { "`util.py`", "no lines to change" },
  },
  {
    name = "a patch without sections",
    files = FILES,
    reply = "*** Begin Patch\n*** End Patch\n",
    refused = "malformed",
    says = "no section",
  },
  {
    name = "a section without a name",
    files = FILES,
    reply = "*** Begin Patch\n*** Update File:\n@@\n-EPS = 1e-6\n+EPS = 1e-7\n*** End Patch\n",
    refused = "malformed",
    says = { "line 2", "names no file" },
  },
  {
    name = "a moved file that would land on another one",
    files = FILES,
    reply = "*** Begin Patch\n*** Update File: util.py\n*** Move to: net.py\n*** End Patch\n",
    refused = "exists",
    says = "`net.py`",
  },
}
