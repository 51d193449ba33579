-- Places where the quoted lines are not the file's: typos, wrong or forgotten context, copied line numbers, `...`.

local function sr(old, new) return "<<<<<<< SEARCH\n" .. old .. "=======\n" .. new .. ">>>>>>> REPLACE\n" end
local function diff(body) return "```diff\n--- a/net.py\n+++ b/net.py\n" .. body .. "```\n" end

local NET = [[
import torch
import torch.nn as nn

class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x):
        query, key, value = self.project(x).chunk(3, dim=-1)
        scores = query @ key.transpose(-2, -1)
        weights = scores.softmax(dim=-1)
        return self.output(weights @ value)

class Feed(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        hidden = self.up(x)
        hidden = nn.functional.gelu(hidden)
        return self.down(hidden)
]]

local function with(from, to)
  local i, j = NET:find(from, 1, true)
  return NET:sub(1, i - 1) .. to .. NET:sub(j + 1)
end

local function case(name, reply, after, rung)
  return { name = name, files = { ["net.py"] = NET }, reply = reply, gives = { ["net.py"] = after }, blocks = { { rung = rung } } }
end

local function refused(name, reply, code, says) return { name = name, files = { ["net.py"] = NET }, reply = reply, refused = code, says = says } end

local SCALED = with("key.transpose(-2, -1)", "key.transpose(-2, -1) * self.scale")

return {
  case("a typo in a context line does not get into the file",
    diff("@@\n         query, key, value = self.projct(x).chunk(3, dim=-1)\n-        scores = query @ key.transpose(-2, -1)\n+        scores = query @ key.transpose(-2, -1) * self.scale\n         weights = scores.softmax(dim=-1)\n"), SCALED, "similar"),
  case("the same typo in SEARCH and in REPLACE stays out of the file",
    sr("        query, kye, value = self.project(x).chunk(3, dim=-1)\n        scores = query @ key.transpose(-2, -1)\n        weights = scores.softmax(dim=-1)\n",
      "        query, kye, value = self.project(x).chunk(3, dim=-1)\n        scores = query @ key.transpose(-2, -1) * self.scale\n        weights = scores.softmax(dim=-1)\n"), SCALED, "similar"),
  case("a misspelt word in the removed line",
    diff("@@\n         query, key, value = self.project(x).chunk(3, dim=-1)\n-        scores = query @ key.trnaspose(-2, -1)\n+        scores = query @ key.transpose(-2, -1) * self.scale\n         weights = scores.softmax(dim=-1)\n"), SCALED, "similar"),
  refused("a misspelt word in the removed line that the new line repeats",
    diff("@@\n         query, key, value = self.project(x).chunk(3, dim=-1)\n-        scores = qurey @ key.transpose(-2, -1)\n+        scores = qurey @ key.transpose(-2, -1) * self.scale\n         weights = scores.softmax(dim=-1)\n"),
    "not_found", { "line 13 of the file is", "`        scores = qurey @ key.transpose(-2, -1)`" }),
  refused("another number in the removed line",
    sr("        self.up = nn.Linear(width, 8 * width)\n        self.down = nn.Linear(4 * width, width)\n", "        self.up = nn.Linear(width, 2 * width)\n        self.down = nn.Linear(4 * width, width)\n"),
    "not_found", { "line 20", "4 * width" }),
  refused("another name in the removed line, one that the file has elsewhere",
    sr("        hidden = self.down(x)\n        hidden = nn.functional.gelu(hidden)\n", "        hidden = self.down(x) * 2\n        hidden = nn.functional.gelu(hidden)\n"), "not_found", "self.up(x)"),
  refused("a removed line of another version of the file",
    diff("@@\n         hidden = self.up(x)\n-        hidden = torch.relu(hidden) ** 2\n+        hidden = torch.tanh(hidden)\n         return self.down(hidden)\n"), "not_found", { "line 25 of the file is", "Quote the old lines exactly" }),
  case("an outer context line that is not in the file",
    diff("@@ -10,4 +10,4 @@\n     # attention proper\n         query, key, value = self.project(x).chunk(3, dim=-1)\n-        scores = query @ key.transpose(-2, -1)\n+        scores = query @ key.transpose(-2, -1) * self.scale\n         weights = scores.softmax(dim=-1)\n"), SCALED, "context"),
  case("wrong context lines on both outer sides",
    sr("    def attend(self, x):\n        query, key, value = self.project(x).chunk(3, dim=-1)\n        scores = query @ key.transpose(-2, -1)\n        weights = scores.softmax(dim=-1)\n        return weights\n",
      "    def attend(self, x):\n        query, key, value = self.project(x).chunk(3, dim=-1)\n        scores = query @ key.transpose(-2, -1) * self.scale\n        weights = scores.softmax(dim=-1)\n        return weights\n"), SCALED, "similar"),
  refused("a wrong context line right beside a new line",
    diff("@@\n         scores = query @ key.transpose(-2, -1)\n+        scores = scores * self.scale\n         scores = dropout(scores)\n         weights = scores.softmax(dim=-1)\n"), "not_found", "scores = dropout(scores)"),
  refused("a new line that lost its plus sign",
    diff("@@\n         query, key, value = self.project(x).chunk(3, dim=-1)\n         log(query.shape)\n         scores = query @ key.transpose(-2, -1)\n-        weights = scores.softmax(dim=-1)\n+        weights = scores.float().softmax(dim=-1)\n"),
    "not_found", "log(query.shape)"),
  refused("more wrong context than right",
    diff("@@\n     def run(self, y):\n         y = self.norm(y)\n         hidden = self.up(x)\n-        hidden = nn.functional.gelu(hidden)\n+        hidden = nn.functional.silu(hidden)\n         y = y + 1\n         return y\n"), "not_found", "gelu"),
  case("context forgotten between two changes, as the counts show",
    diff("@@ -11,5 +11,5 @@\n     def forward(self, x):\n-        query, key, value = self.project(x).chunk(3, dim=-1)\n+        query, key, value = self.project(self.norm(x)).chunk(3, dim=-1)\n         scores = query @ key.transpose(-2, -1)\n" ..
      "         return self.output(weights @ value)\n-\n+        # end of attention\n"):gsub("%-11,5 %+11,5", "-11,6 +11,6"),
    (with("self.project(x)", "self.project(self.norm(x))"):gsub("(weights @ value%)\n)\n", "%1        # end of attention\n")), "split"),
  refused("context forgotten between two changes, or a removal?",
    sr("        query, key, value = self.project(x).chunk(3, dim=-1)\n        scores = query @ key.transpose(-2, -1)\n        return self.output(weights @ value)\n\nclass Feed(nn.Module):\n",
      "        query, key, value = self.project(x).chunk(3, -1)\n        scores = query @ key.transpose(-2, -1)\n        return self.output(weights @ value)\n\nclass FeedForward(nn.Module):\n"), "not_found",
    { "leaves out lines", "14 |         weights", "make two hunks" }),
  case("two far changes run together in one block",
    sr("        self.heads = heads\n        self.project = nn.Linear(width, 3 * width)\n        hidden = self.up(x)\n        hidden = nn.functional.gelu(hidden)\n",
      "        self.heads = int(heads)\n        self.project = nn.Linear(width, 3 * width)\n        hidden = self.up(x)\n        hidden = nn.functional.silu(hidden)\n"),
    (with("= heads", "= int(heads)"):gsub("gelu", "silu")), "split"),
  case("line numbers copied from a listing",
    sr("24:         hidden = self.up(x)\n25:         hidden = nn.functional.gelu(hidden)\n", "24:         hidden = self.up(x)\n25:         hidden = nn.functional.silu(hidden)\n"), (NET:gsub("gelu", "silu")), "line-numbers"),
  case("line numbers as cat -n writes them",
    sr("    24\t        hidden = self.up(x)\n    25\t        hidden = nn.functional.gelu(hidden)\n", "    24\t        hidden = self.up(x)\n    25\t        hidden = nn.functional.relu(hidden)\n"), (NET:gsub("gelu", "relu")), "line-numbers"),
  case("line numbers and bars on the old lines only",
    sr(" 6 |         super().__init__()\n 7 |         self.heads = heads\n", "        super().__init__()\n        self.heads = heads\n        self.scale = 0.125\n"), (with("= heads\n", "= heads\n        self.scale = 0.125\n")), "line-numbers"),
  case("line numbers in a diff, behind its signs", diff("@@\n 24→        hidden = self.up(x)\n-25→        hidden = nn.functional.gelu(hidden)\n+25→        hidden = hidden.sin()\n"), (with("nn.functional.gelu(hidden)", "hidden.sin()")), "line-numbers"),
  case("a copied line number decides between equal places",
    sr("19:         super().__init__()\n", "19:         super().__init__()\n20:         self.width = width\n"), with("super().__init__()\n        self.up", "super().__init__()\n        self.width = width\n        self.up"), "line-numbers"),
  refused("line numbers that do not ascend", sr("25: hidden = self.up(x)\n24: hidden = nn.functional.gelu(hidden)\n", "25: x\n24: y\n"), "not_found", "25: hidden"),
  refused("line numbers on some of the new lines only",
    sr("24:         hidden = self.up(x)\n25:         hidden = nn.functional.gelu(hidden)\n", "24:         hidden = self.up(x)\n        hidden = hidden * 2\n25:         hidden = nn.functional.gelu(hidden)\n"), "not_found", "24:"),
  case("dots for the middle of a function, in both halves",
    sr("    def forward(self, x):\n        query, key, value = self.project(x).chunk(3, dim=-1)\n        ...\n        return self.output(weights @ value)\n",
      "    def forward(self, x, mask=None):\n        query, key, value = self.project(x).chunk(3, dim=-1)\n        ...\n        return self.output(weights @ value)\n"), with("forward(self, x)", "forward(self, x, mask=None)"), "elision"),
  case("a comment for the code left out, worded differently in the two halves",
    sr("class Feed(nn.Module):\n    # ... existing code ...\n        hidden = nn.functional.gelu(hidden)\n", "class Feed(nn.Module):\n    # ... rest unchanged ...\n        hidden = nn.functional.silu(hidden)\n"), (NET:gsub("gelu", "silu")), "elision"),
  case("dots in the context of a diff", diff("@@\n class Feed(nn.Module):\n ...\n     def forward(self, x):\n-        hidden = self.up(x)\n+        hidden = self.up(x) * 2\n"), with("self.up(x)", "self.up(x) * 2"), "elision"),
  case("dots around the block that is meant", sr("# ...\n        hidden = nn.functional.gelu(hidden)\n# ...\n", "# ...\n        hidden = nn.functional.silu(hidden)\n# ...\n"), (NET:gsub("gelu", "silu")), "elision"),
  refused("dots among the old lines that the new ones lack",
    sr("    def forward(self, x):\n        query, key, value = self.project(x).chunk(3, dim=-1)\n        ...\n        return self.output(weights @ value)\n", "    def forward(self, x):\n        return x\n"), "not_found", "`...` stands for lines left out only if"),
  refused("a comment for code left out among the new lines alone",
    sr("        hidden = self.up(x)\n", "        hidden = self.up(x) + 1\n        # ... rest of the method unchanged ...\n"), "malformed", { "lines are left out", "rest of the method" }),
  case("dots that the code itself has as a new line", sr("        return self.down(hidden)\n", "        return self.down(hidden)\n\n    def reset(self):\n        ...\n"), (with("self.down(hidden)\n", "self.down(hidden)\n\n    def reset(self):\n        ...\n")), "exact"),
  refused("dots between parts that are there several times", sr("class Attention(nn.Module):\n...\n    def forward(self, x):\n", "class Attention(nn.Module):\n...\n    def forward(self, x, mask):\n"), "ambiguous", "2 places"),
}
