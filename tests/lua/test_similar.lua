-- Near-duplicates among ideas.

local t = dofile(os.getenv("ERLUA_TEST_SOURCE") .. "/tests/lib/tap.lua")
local similar = require("erlua.similar")

local ANNEAL = "Anneal the centres after the relaxation, with 200 steps and a temperature that falls from 0.05 to 0.001, "
  .. "so that the circles leave poor arrangements that the pushing alone never leaves."

t.test("the same words in other letters and signs are the same idea", function()
  local index = similar.new()
  index:add(ANNEAL, 1)
  t.eq((index:find(ANNEAL)), 1)
  t.eq((index:find("  ANNEAL the *centres* after the relaxation -- with 200 steps, and a temperature that falls from 0.050 to 0.001, so that "
    .. "circles leave poor arrangements that the pushing alone never leaves!")), 1)
end)

t.test("other numbers, or other words, are another idea", function()
  local index = similar.new()
  index:add(ANNEAL, 1)
  t.eq((index:find((ANNEAL:gsub("200", "300")))), nil)
  t.eq((index:find("Place the circles on a hexagonal grid first, then relax with 200 steps from 0.05 to 0.001.")), nil)
  t.eq((index:find((ANNEAL:gsub("the circles.*", "")) .. " Then sort the radii, swap the largest with the smallest and repeat what was done "
    .. "before with all pairs, in an order of chance.")), nil)
end)

t.test("the nearest of several is named", function()
  local index = similar.new()
  index:add(ANNEAL, 1)
  index:add(ANNEAL .. " It costs nothing.", 2)
  t.eq((index:find(ANNEAL .. " It costs nothing.")), 2)
  t.eq((index:find(ANNEAL)), 1)
end)

t.test("ideas without words are each other's duplicates, and longer ones in other scripts are compared", function()
  local index = similar.new()
  index:add("", 1)
  t.eq((index:find("?! -")), 1)
  local words = "在 松弛 之后 对 圆心 进行 模拟 退火 这样 圆 就能 离开 不好 的 排列"
  index:add(words, 2)
  t.eq((index:find(words .. "。")), 2)
end)

t.test("a text is found again among thousands of others, whatever was added in between", function()
  local index, state = similar.new(), 7
  local function word()
    state = state * 1103515245 + 12345 & 0x7fffffff
    return "w" .. state % 500 .. "x"
  end
  local function text()
    local out = {}
    for i = 1, 40 do out[i] = word() end
    return table.concat(out, " ")
  end
  local texts = {}
  for i = 1, 2000 do
    texts[i] = text()
    t.eq((index:find(texts[i])), nil)
    index:add(texts[i], i)
  end
  for i = 1, 2000, 97 do t.eq((index:find(texts[i])), i) end
end)

t.test("the same template with other numbers does not crowd out what is looked for", function()
  local index = similar.new()
  for i = 1, 500 do index:add("Set the number of rounds to " .. i .. " and leave everything else as it is in the file.", i) end
  for i = 1, 500, 41 do t.eq((index:find("Set the number of rounds to " .. i .. " and leave everything else as it is in the file")), i) end
end)

return t
