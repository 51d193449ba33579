-- llm/init.lua - who has the ideas: a specification such as "builtin:mutate" becomes a model.

local M = {}

local PROVIDERS = { builtin = { mutate = "erlua.llm.builtin" } }

---@param spec string  provider:model
---@param options {env: erlua.env}
---@return table model  with :propose(study, n, prompt, parents, random) -> ideas
function M.new(spec, options)
  local provider, name = tostring(spec):match("^([^:]+):(.+)$")
  local known = provider and PROVIDERS[provider]
  local module = known and known[name]
  if not module then
    error("--model " .. tostring(spec) .. " is not known; this erlua has builtin:mutate", 0)
  end
  return require(module).new(options)
end

return M
