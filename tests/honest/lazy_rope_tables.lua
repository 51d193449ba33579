return {
  what = "tables of rotary angles that are built when they are first needed", weights = "own",
  edits = {
    { "local Attention = nn.Module(\"Attention\")\n", [[
local Attention = nn.Module("Attention")
local tables = {}

local function rotate(x)                                              -- (B, H, L, W)
  local L, half = x:size(3), x:size(4) // 2
  local key = L .. "x" .. half
  if not tables[key] then
    local angle = T.arange(L):to("f32"):unsqueeze(2) * (T.arange(half):to("f32") * (-math.log(10000) / half)):exp()
    tables[key] = { cos = angle:cos():keep(), sin = angle:sin():keep() }
  end
  local t, a, b = tables[key], x:narrow(4, 1, half), x:narrow(4, half + 1, half)
  return T.cat({ a * t.cos - b * t.sin, a * t.sin + b * t.cos }, 4)
end
]] },
    { "heads(q):scaled_dot_product_attention(heads(k), heads(v)", "rotate(heads(q)):scaled_dot_product_attention(rotate(heads(k)), heads(v)" },
  },
}
