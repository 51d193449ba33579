return {
  what = "averaged weights", weights = "own",
  code = [[
local average
function M.stepped(net)
  T.no_grad(function()
    average = average or {}
    for name, p in pairs(nn.state_dict(net)) do
      average[name] = average[name] or p:clone():keep()
      average[name]:lerp_(p, 0.2)
    end
  end)
end
function M.save(net, path)
  local texts = {}
  for name, value in pairs(net.config) do texts[name] = tostring(value) end
  assert(erlua.safetensors.save(path, average or nn.state_dict(net), texts))
end]],
}
