-- Search/replace blocks: the markers of aider, OpenEvolve, Cline and their neighbours, and where the file's name stands.

local PACK = [[
local M = {}

function M.radius(i)
  local r = 0.1
  if i > 3 then
    r = r / 2
  end
  return r
end

function M.count()
  return 26
end

return M
]]

local function with(old, new)
  local first, last = PACK:find(old, 1, true)
  return PACK:sub(1, first - 1) .. new .. PACK:sub(last + 1)
end

local FILES = { ["pack.lua"] = PACK, ["lib/grid.lua"] = "return { cells = 10 }\n" }
local ONE = { editable = { "pack.lua" } }
local BIGGER = { ["pack.lua"] = with("0.1", "0.2") }
local MORE = { ["pack.lua"] = with("26", "27") }

return {
  {
    name = "aider's form, the name above the fence",
    files = FILES,
    reply = "pack.lua\n```lua\n<<<<<<< SEARCH\n  local r = 0.1\n=======\n  local r = 0.2\n>>>>>>> REPLACE\n```\n",
    gives = BIGGER,
    blocks = { { form = "search", path = "pack.lua", rung = "exact", line = 4, similarity = 1.0 } },
  },
  {
    name = "aider's older form, the name inside the fence",
    files = FILES,
    reply = "```lua\npack.lua\n<<<<<<< SEARCH\n  local r = 0.1\n=======\n  local r = 0.2\n>>>>>>> REPLACE\n```\n",
    gives = BIGGER,
  },
  {
    name = "OpenEvolve's form without fence or name, one file editable",
    files = FILES,
    rules = ONE,
    reply = "I will enlarge the circles.\n\n<<<<<<< SEARCH\n  local r = 0.1\n=======\n  local r = 0.2\n>>>>>>> REPLACE\n",
    gives = BIGGER,
  },
  {
    name = "Cline's dashes and pluses",
    files = FILES,
    rules = ONE,
    reply = "------- SEARCH\n  local r = 0.1\n=======\n  local r = 0.2\n+++++++ REPLACE\n",
    gives = BIGGER,
  },
  {
    name = "an opener of one tool and an end of another",
    files = FILES,
    rules = ONE,
    reply = "<<<<<<< SEARCH\n  return 26\n=======\n  return 27\n+++++++ REPLACE\n",
    gives = MORE,
  },
  {
    name = "ORIGINAL and UPDATED in place of SEARCH and REPLACE",
    files = FILES,
    rules = ONE,
    reply = "<<<<<<< ORIGINAL\n  return 26\n=======\n  return 27\n>>>>>>> UPDATED\n",
    gives = MORE,
  },
  {
    name = "the signs of a merge conflict, with a branch's name",
    files = FILES,
    reply = "pack.lua\n<<<<<<< HEAD\n  local r = 0.1\n=======\n  local r = 0.2\n>>>>>>> feature/larger-circles\n",
    gives = BIGGER,
  },
  {
    name = "five chevrons",
    files = FILES,
    rules = ONE,
    reply = "<<<<< SEARCH\n  return 26\n=====\n  return 27\n>>>>> REPLACE\n",
    gives = MORE,
  },
  {
    name = "nine chevrons around a divider of seven",
    files = FILES,
    rules = ONE,
    reply = "<<<<<<<<< SEARCH\n  return 26\n=======\n  return 27\n>>>>>>>>> REPLACE\n",
    gives = MORE,
  },
  {
    name = "words behind every marker",
    files = FILES,
    rules = ONE,
    reply = "<<<<<<< SEARCH (original code)\n  return 26\n======= REPLACE WITH\n  return 27\n>>>>>>> REPLACE (end of block)\n",
    gives = MORE,
  },
  {
    name = "lower case, and no space before the word",
    files = FILES,
    rules = ONE,
    reply = "<<<<<<<search\n  return 26\n=======\n  return 27\n>>>>>>>replace\n",
    gives = MORE,
  },
  {
    name = "markers without any words",
    files = FILES,
    rules = ONE,
    reply = "<<<<<<<\n  return 26\n=======\n  return 27\n>>>>>>>\n",
    gives = MORE,
  },
  {
    name = "an end marker that points the wrong way",
    files = FILES,
    rules = ONE,
    reply = "<<<<<<< SEARCH\n  return 26\n=======\n  return 27\n<<<<<<< REPLACE\n",
    gives = MORE,
  },
  {
    name = "an end marker that is indented, unlike the first",
    files = FILES,
    rules = ONE,
    reply = "<<<<<<< SEARCH\n  return 26\n  =======\n  return 27\n  >>>>>>> REPLACE\n",
    gives = MORE,
  },
  {
    name = "markers indented like the code between them",
    files = FILES,
    rules = ONE,
    reply = "  <<<<<<< SEARCH\n  return 26\n  =======\n  return 27\n  >>>>>>> REPLACE\n",
    gives = MORE,
  },
  {
    name = "white space behind the markers",
    files = FILES,
    rules = ONE,
    reply = "<<<<<<< SEARCH  \n  return 26\n=======\t\n  return 27\n>>>>>>> REPLACE \n",
    gives = MORE,
  },
  {
    name = "the name behind SEARCH",
    files = FILES,
    reply = "<<<<<<< SEARCH lib/grid.lua\nreturn { cells = 10 }\n=======\nreturn { cells = 12 }\n>>>>>>> REPLACE\n",
    gives = { ["lib/grid.lua"] = "return { cells = 12 }\n" },
  },
  {
    name = "the name in the fence's info string",
    files = FILES,
    reply = "```lua:lib/grid.lua\n<<<<<<< SEARCH\nreturn { cells = 10 }\n=======\nreturn { cells = 14 }\n>>>>>>> REPLACE\n```\n",
    gives = { ["lib/grid.lua"] = "return { cells = 14 }\n" },
  },
  {
    name = "the name as a heading in backticks",
    files = FILES,
    reply = "## `lib/grid.lua`\n\n```\n<<<<<<< SEARCH\nreturn { cells = 10 }\n=======\nreturn { cells = 16 }\n>>>>>>> REPLACE\n```\n",
    gives = { ["lib/grid.lua"] = "return { cells = 16 }\n" },
  },
  {
    name = "the name in bold with a number, a label and a remark",
    files = FILES,
    reply = "**1. File: lib/grid.lua** (finer grid):\n\n<<<<<<< SEARCH\nreturn { cells = 10 }\n=======\nreturn { cells = 18 }\n>>>>>>> REPLACE\n",
    gives = { ["lib/grid.lua"] = "return { cells = 18 }\n" },
  },
  {
    name = "the name in typographic quotes",
    files = FILES,
    reply = "\226\128\156lib/grid.lua\226\128\157:\n<<<<<<< SEARCH\nreturn { cells = 10 }\n=======\nreturn { cells = 20 }\n>>>>>>> REPLACE\n",
    gives = { ["lib/grid.lua"] = "return { cells = 20 }\n" },
  },
  {
    name = "the name as a comment on the first line of the fence",
    files = FILES,
    reply = "```lua\n-- lib/grid.lua\n<<<<<<< SEARCH\nreturn { cells = 10 }\n=======\nreturn { cells = 22 }\n>>>>>>> REPLACE\n```\n",
    gives = { ["lib/grid.lua"] = "return { cells = 22 }\n" },
  },
  {
    name = "the name in the sentence above",
    files = FILES,
    reply = "In `lib/grid.lua` the cells should be smaller:\n\n```lua\n<<<<<<< SEARCH\nreturn { cells = 10 }\n=======\nreturn { cells = 24 }\n>>>>>>> REPLACE\n```\n",
    gives = { ["lib/grid.lua"] = "return { cells = 24 }\n" },
  },
  {
    name = "the name behind a picture sign",
    files = FILES,
    reply = "\240\159\147\132 lib/grid.lua\n<<<<<<< SEARCH\nreturn { cells = 10 }\n=======\nreturn { cells = 26 }\n>>>>>>> REPLACE\n",
    gives = { ["lib/grid.lua"] = "return { cells = 26 }\n" },
  },
  {
    name = "no name, but one editable file alone has the lines",
    files = FILES,
    reply = "<<<<<<< SEARCH\nreturn { cells = 10 }\n=======\nreturn { cells = 28 }\n>>>>>>> REPLACE\n",
    gives = { ["lib/grid.lua"] = "return { cells = 28 }\n" },
  },
  {
    name = "the second block is for another file and does not say so",
    files = FILES,
    reply = "pack.lua\n<<<<<<< SEARCH\n  return 26\n=======\n  return 27\n>>>>>>> REPLACE\n\n<<<<<<< SEARCH\nreturn { cells = 10 }\n=======\nreturn { cells = 30 }\n>>>>>>> REPLACE\n",
    gives = { ["pack.lua"] = MORE["pack.lua"], ["lib/grid.lua"] = "return { cells = 30 }\n" },
  },
  {
    name = "an empty REPLACE deletes",
    files = FILES,
    rules = ONE,
    reply = "<<<<<<< SEARCH\n  if i > 3 then\n    r = r / 2\n  end\n=======\n>>>>>>> REPLACE\n",
    gives = { ["pack.lua"] = with("  if i > 3 then\n    r = r / 2\n  end\n", "") },
  },
  {
    name = "an empty SEARCH for a file that is not there creates it",
    files = FILES,
    reply = "lib/polar.lua\n```lua\n<<<<<<< SEARCH\n=======\nreturn { rings = 3 }\n>>>>>>> REPLACE\n```\n",
    gives = { ["lib/polar.lua"] = "return { rings = 3 }\n" },
  },
  {
    name = "a heading underlined with equal signs inside SEARCH and REPLACE",
    files = { ["README.rst"] = "Packing\n=======\n\nCircles.\n" },
    reply = "<<<<<<< SEARCH\nPacking\n=======\n\nCircles.\n=======\nPacking\n=======\n\nCircles in a square.\n>>>>>>> REPLACE\n",
    gives = { ["README.rst"] = "Packing\n=======\n\nCircles in a square.\n" },
  },
  {
    name = "a second divider behind the new lines is not written into the code",
    files = FILES,
    reply = "pack.lua\n<<<<<<< SEARCH\n  return 26\n=======\n  return 27\n=======\n>>>>>>> REPLACE\n",
    refused = "malformed",
    says = { "a second line of equal signs", "one `=======` line" },
  },
  {
    name = "two versions of the new lines, divided like the old ones",
    files = FILES,
    reply = "pack.lua\n<<<<<<< SEARCH\n  return 26\n=======\n  return 27\n=======\n  return 28\n>>>>>>> REPLACE\n",
    refused = "malformed",
    says = "a second line of equal signs",
  },
  {
    name = "a first heading for a text without one",
    files = { ["README.rst"] = "Packing.\n\nCircles.\n" },
    reply = "<<<<<<< SEARCH\nPacking.\n=======\nPacking\n=======\n\nOf circles.\n>>>>>>> REPLACE\n",
    gives = { ["README.rst"] = "Packing\n=======\n\nOf circles.\n\nCircles.\n" },
  },
  {
    name = "a hunk header, a fence and chevrons inside the code",
    files = { ["doc.md"] = "Write\n```diff\n@@ -1 +1 @@\n-a\n```\nand `<<<<<<<` marks a conflict.\n" },
    reply = "doc.md\n````\n<<<<<<< SEARCH\n```diff\n@@ -1 +1 @@\n-a\n```\n=======\n```diff\n@@ -1 +1 @@\n-a\n+b\n```\n>>>>>>> REPLACE\n````\n",
    gives = { ["doc.md"] = "Write\n```diff\n@@ -1 +1 @@\n-a\n+b\n```\nand `<<<<<<<` marks a conflict.\n" },
  },
  {
    name = "line numbers as a hint in front of the search text decide between two places",
    files = { ["twice.lua"] = "do\n  step()\nend\ndo\n  step()\nend\n" },
    reply = "twice.lua\n<<<<<<< SEARCH\n:start_line:5\n-------\n  step()\n=======\n  leap()\n>>>>>>> REPLACE\n",
    gives = { ["twice.lua"] = "do\n  step()\nend\ndo\n  leap()\nend\n" },
  },
  {
    name = "fences around the code between the markers",
    files = FILES,
    reply = "pack.lua\n<<<<<<< SEARCH\n```lua\n  return 26\n```\n=======\n```lua\n  return 28\n```\n>>>>>>> REPLACE\n",
    gives = { ["pack.lua"] = with("26", "28") },
  },
  {
    name = "two dividers, and a typo in what is to be found",
    files = FILES,
    rules = ONE,
    reply = "<<<<<<< SEARCH\n  if i > 3 ten\n    r = r / 2\n  end\n=======\n=======\n>>>>>>> REPLACE\n",
    refused = "malformed",
    says = { "several lines of equal signs", "one `=======` line" },
  },
  {
    name = "an unclosed fence behind a block that is closed",
    files = FILES,
    rules = ONE,
    reply = "```lua\n<<<<<<< SEARCH\n  return 26\n=======\n  return 27\n>>>>>>> REPLACE\n",
    gives = MORE,
  },
  {
    name = "a fence that is not closed before the next one opens",
    files = FILES,
    reply = "pack.lua\n```lua\n<<<<<<< SEARCH\n  return 26\n=======\n  return 27\n>>>>>>> REPLACE\n\nlib/grid.lua\n```lua\n<<<<<<< SEARCH\nreturn { cells = 10 }\n=======\nreturn { cells = 32 }\n>>>>>>> REPLACE\n```\n",
    gives = { ["pack.lua"] = MORE["pack.lua"], ["lib/grid.lua"] = "return { cells = 32 }\n" },
  },
  {
    name = "the whole reply has CRLF line ends, the file has not",
    files = FILES,
    reply = "pack.lua\r\n```lua\r\n<<<<<<< SEARCH\r\n  return 26\r\n=======\r\n  return 27\r\n>>>>>>> REPLACE\r\n```\r\n",
    gives = MORE,
  },
}
