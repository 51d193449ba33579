-- Which of several places is meant: neighbours, line numbers, anchors, order; and changes that are there already.

local function sr(old, new) return "<<<<<<< SEARCH\n" .. old .. "=======\n" .. new .. ">>>>>>> REPLACE\n" end
local function diff(body) return "```diff\n--- a/m.lua\n+++ b/m.lua\n" .. body .. "```\n" end

local M = [[
local M = {}

function M.first(list)
  if #list == 0 then
    return nil
  end
  return list[1]
end

function M.last(list)
  if #list == 0 then
    return nil
  end
  return list[#list]
end

function M.middle(list)
  if #list == 0 then
    return nil
  end
  return list[#list // 2]
end

return M
]]

local LINES = {}
for line in M:gmatch("([^\n]*)\n") do LINES[#LINES + 1] = line end

-- M with line n replaced by the given text, or by nothing.
local function put(n, text)
  local out = {}
  for i, line in ipairs(LINES) do out[#out + 1] = i == n and text or i ~= n and line .. "\n" or "" end
  return table.concat(out)
end

local function case(name, reply, after, extra) return { name = name, files = { ["m.lua"] = M }, reply = reply, gives = { ["m.lua"] = after }, blocks = extra } end
local function refused(name, reply, code, says) return { name = name, files = { ["m.lua"] = M }, reply = reply, refused = code, says = says } end

local NIL = "   if #list == 0 then\n-    return nil\n+    return false\n   end\n"

return {
  refused("lines that are there three times", sr("    return nil\n", "    return false\n"), "ambiguous", { "3 places", "lines 5, 12, 19", "Add lines above or below" }),
  refused("one line of context that is everywhere, and a new line behind it", diff("@@\n end\n+\n+-- more\n"), "ambiguous", "3 places"),
  refused("new lines with a number and no context", diff("@@ -7,0 +8 @@\n+  -- never\n"), "ambiguous", "quotes no line"),
  case("a number that points exactly at one of them", diff("@@ -11,3 +11,3 @@\n" .. NIL), put(12, "    return false\n")),
  refused("a number that is off by one", diff("@@ -12,3 +12,3 @@\n" .. NIL), "ambiguous", "lines 4, 11, 18"),
  case("a number that is right after the shift of the hunk before", diff("@@ -23,2 +23,2 @@\n-  return list[1]\n+  return (list[1])\n end\n@@ -27,3 +27,3 @@\n" .. NIL),
    (put(12, "    return false\n"):gsub("return list%[1%]", "return (list[1])"))),
  case("the hunk between two others can only be there", diff("@@\n-  return list[1]\n+  return (list[1])\n@@\n" .. NIL .. "@@\n-  return list[#list]\n+  return (list[#list])\n"),
    (put(12, "    return false\n"):gsub("return list%[1%]", "return (list[1])"):gsub("return list%[#list%]", "return (list[#list])"))),
  refused("a hunk behind another one, with two places left", diff("@@\n-  return list[1]\n+  return (list[1])\n@@\n" .. NIL), "ambiguous", "places"),
  case("as many equal hunks as equal places", diff("@@\n" .. NIL .. "@@\n" .. NIL .. "@@\n" .. NIL), (M:gsub("return nil", "return false"))),
  case("the function that git names behind the second @@", diff("@@ -90,3 +90,3 @@ function M.middle(list)\n" .. NIL), put(19, "    return false\n")),
  refused("a function that git names, and a number that points elsewhere", diff("@@ -4,3 +4,3 @@ function M.middle(list)\n" .. NIL), "ambiguous", "3 places"),
  case("a hunk with the lines of one place is not moved by what git names", diff("@@ -1,2 +1,2 @@ function M.middle(list)\n-  return list[1]\n+  return list[1] or nil\n end\n"), (M:gsub("list%[1%]", "list[1] or nil"))),
  case("hunks in the wrong order, each with one place", diff("@@ -20,2 +20,2 @@\n-  return list[#list // 2]\n+  return list[#list // 2 + 1]\n@@ -6,2 +6,2 @@\n-  return list[1]\n+  return list[1] or false\n"),
    (M:gsub("// 2%]", "// 2 + 1]"):gsub("list%[1%]", "list[1] or false"))),
  refused("hunks in the wrong order do not decide for one another", diff("@@ -21,2 +21,2 @@\n-  return list[#list // 2]\n+  return list[#list // 2 + 1]\n@@ -2,3 +2,3 @@\n" .. NIL), "overlap", { "hunk 2", "in order" }),
  refused("two hunks for the same line", diff("@@\n-  return list[1]\n+  return 1\n end\n@@\n-  return list[1]\n+  return 2\n end\n"), "overlap", "hunk 2"),
  refused("a diff whose change is in the file already", diff("@@ -6,2 +6,3 @@\n   end\n-  return list[0]\n+  return list[1]\n end\n \n function M.last(list)\n"), "no_op", { "in `m.lua` already", "line 6" }),
  refused("a block whose change is in the file already", sr("function M.final(list)\n  if #list == 0 then\n", "function M.last(list)\n  if #list == 0 then\n"), "no_op", "already"),
  refused("new lines that already follow the line they go behind", sr("local M = {}\n", "local M = {}\n\nfunction M.first(list)\n  if #list == 0 then\n"), "no_op", "already"),
  refused("one of two hunks is in the file already", diff("@@\n-  return list[1]\n+  return list[1] or nil\n@@\n function M.last(list)\n-  if list[1] == nil then\n+  if #list == 0 then\n     return nil\n"), "no_op", "line 10"),
  refused("a place that resembles what is sought", sr("  return list[#list - 1]\n", "  return nil\n"), "not_found", { "nearest place", "the block has `  return list[#list - 1]`", "send the whole file" }),
  refused("a misspelt name that two functions resemble", sr("function M.fast(list)\n  if #list == 0 then\n", "function M.fast(list)\n  if list == nil or #list == 0 then\n"), "ambiguous", "lines 3, 10"),
  { name = "a line whose comment was left out", files = { ["pack.lua"] = "local c = {\n  rounds = 8,                            -- how often the circles grow\n  soft = 12,\n}\n" },
    reply = sr("  rounds = 8,\n", "  rounds = 80,\n"), refused = "not_found", says = { "nearest place in the file is line 2", "-- how often the circles grow" } },
  refused("lines of another file", sr("def main():\n    train(load())\n", "def main():\n    pass\n"), "not_found", { "Nothing in the file (24 lines) resembles them", "Looked for:\n       | def main():" }),
  refused("a file that ends too soon", sr("  return list[#list // 2]\nend\n\nreturn M\n\nM.version = 1\n", "x\n"), "not_found", "the file ends after line 24"),
  {
    name = "a few letters that fit one place as they are indented, and another one not quite",
    files = { ["m.lua"] = "do\n  f()\nend\nif x then\n  do\n    f()\n  end\nend\n" },
    reply = "<<<<<<< SEARCH\n  f()\nend\n=======\n  g()\nend\n>>>>>>> REPLACE\n",
    refused = "ambiguous",
    says = "Add lines above or below",
  },
  {
    name = "an anchor above the only place",
    files = { ["m.lua"] = M },
    reply = "*** Begin Patch\n*** Update File: m.lua\n@@ function M.last(list)\n-  return list[#list]\n+  return list[#list] or false\n*** End Patch\n",
    gives = { ["m.lua"] = (M:gsub("list%[#list%]", "list[#list] or false")) },
  },
  {
    name = "an anchor below the only place",
    files = { ["m.lua"] = M },
    reply = "*** Begin Patch\n*** Update File: m.lua\n@@ function M.middle(list)\n-  return list[1]\n+  return list[1] or false\n*** End Patch\n",
    refused = "not_found",
    says = { "stands below `function M.middle(list)`", "line 7", "leave it out" },
  },
  {
    name = "the end of the file decides between equal places",
    files = { ["m.lua"] = "x()\nlog()\ny()\nlog()\n" },
    reply = "*** Begin Patch\n*** Update File: m.lua\n@@\n-log()\n+log(2)\n*** End of File\n*** End Patch\n",
    gives = { ["m.lua"] = "x()\nlog()\ny()\nlog(2)\n" },
  },
}
