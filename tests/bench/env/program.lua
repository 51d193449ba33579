-- pack.lua - 26 circles in the unit square: a spiral of centres, rounds in which circles grow
-- and push each other away, then radii that fit. Returns a list of { x = , y = , r = }.
local progress = ...                      -- progress(round, sum of radii) adds a point to the curve

local config = {
  angle  = 2.4,                           -- from one centre of the spiral to the next, in radians
  spread = 0.45,                           -- how far out the last centre lies
  radius = 0.03,                          -- of every circle at the start
  rounds = 8,                            -- how often the circles grow and push
  soft   = 12,                            -- how hard they push in the first round,
  hard   = 16,                            --   and in the last
  step   = 0.1,                           -- how far they move for it
  refits = 0,                             -- how often the final radii are stretched
}

local circles = {}
for k = 1, 26 do
  local turn, reach = config.angle * k, config.spread * (k / 26) ^ 0.5
  circles[k] = { x = 0.5 + reach * math.cos(turn), y = 0.5 + reach * math.sin(turn), r = config.radius }
end

for round = 1, config.rounds do
  local push = config.soft * (config.hard / config.soft) ^ (round / config.rounds)
  for _, a in ipairs(circles) do a.dx, a.dy, a.dr = 0, 0, 1 end
  for i, a in ipairs(circles) do
    for j = i + 1, #circles do
      local b = circles[j]
      local dx, dy = a.x - b.x, a.y - b.y
      local apart = math.sqrt(dx * dx + dy * dy) + 1e-9
      local force = push * (a.r + b.r - apart)
      if force > 0 then
        a.dx, a.dy, a.dr = a.dx + force * dx / apart, a.dy + force * dy / apart, a.dr - force
        b.dx, b.dy, b.dr = b.dx - force * dx / apart, b.dy - force * dy / apart, b.dr - force
      end
    end
    local left, right = push * math.max(0, a.r - a.x), push * math.max(0, a.r + a.x - 1)
    local low, high = push * math.max(0, a.r - a.y), push * math.max(0, a.r + a.y - 1)
    a.dx, a.dy, a.dr = a.dx + left - right, a.dy + low - high, a.dr - left - right - low - high
  end
  local sum, step = 0, config.step / push
  for _, a in ipairs(circles) do
    a.x, a.y, a.r = a.x + step * a.dx, a.y + step * a.dy, math.max(0.001, a.r + step * a.dr)
    sum = sum + a.r
  end
  progress(round, sum)
end

for _, a in ipairs(circles) do            -- back into the square
  a.x, a.y = math.min(math.max(a.x, 0.001), 0.999), math.min(math.max(a.y, 0.001), 0.999)
end
for fit = 0, config.refits do             -- first shared in proportion, then what the others leave
  for i, a in ipairs(circles) do
    a.fit = math.min(a.x, a.y, 1 - a.x, 1 - a.y)
    for j, b in ipairs(circles) do
      local apart = math.sqrt((a.x - b.x) ^ 2 + (a.y - b.y) ^ 2)
      if i ~= j then a.fit = math.min(a.fit, fit == 0 and apart * a.r / (a.r + b.r) or apart - b.r) end
    end
    if fit > 0 then a.r = a.fit end
  end
  if fit == 0 then for _, a in ipairs(circles) do a.r = a.fit end end
end
return circles
