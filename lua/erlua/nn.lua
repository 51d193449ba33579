-- nn.lua - layers, with the names and the first values that PyTorch users expect.
--
-- Weights of a layer are drawn as PyTorch draws them; `std` draws them from a normal distribution instead (and makes
-- the bias zero), and `init`, a function of weight and bias, fills them as it likes.

local T = require("erlua.tensor")

local M = require("erlua.nn_module")          -- Module, parameters, state_dict and what else walks fields

-- The options of a layer, whose names are among those of `known`; positions are those of the caller of the class.
local function options(layer, given, known)
  if given == nil then return {} end
  if type(given) ~= "table" then error(layer .. ": options are a table, got " .. type(given), 4) end
  for k in pairs(given) do
    if not (" " .. known .. " "):find(" " .. tostring(k) .. " ", 1, true) then
      error(("%s has no option '%s'; it has %s"):format(layer, tostring(k), known:gsub(" ", ", ")), 4)
    end
  end
  return given
end

local function size(layer, name, n)
  if math.type(n) ~= "integer" or n < 1 then
    error(("%s: %s is a whole number from 1 up, got %s"):format(layer, name, tostring(n)), 4)
  end
  return n
end

local function ones(n, dtype) return T.full({ n }, 1, { dtype = dtype, requires_grad = true }) end

---y = activation(x W^T + b), W of (out, in).  Called as layer(x, activation): see erlua.tensor.linear.
---@overload fun(inputs: integer, outputs: integer, options: table?): table  bias (true), std, init, dtype
M.Linear = M.Module("Linear")

function M.Linear:init(inputs, outputs, given)
  local o = options("Linear", given, "bias std init dtype")
  size("Linear", "the number of inputs", inputs)
  size("Linear", "the number of outputs", outputs)
  local w, b = T.zeros(outputs, inputs, { dtype = o.dtype }), nil
  if o.bias ~= false then b = T.zeros(outputs, { dtype = o.dtype }) end
  if o.init then
    o.init(w, b)
  elseif o.std then
    w:normal_(0, o.std)
  else
    local bound = 1 / math.sqrt(inputs)
    w:uniform_(-bound, bound)
    if b then b:uniform_(-bound, bound) end
  end
  self.weight, self.bias = w:requires_grad_(), b and b:requires_grad_()
end

function M.Linear:forward(x, activation) return x:linear(self.weight, self.bias, activation) end

---Rows of a table (n, dim) by ids that count from 0; normal first values, std 1.
---@overload fun(n: integer, dim: integer, options: table?): table  std, init, dtype
M.Embedding = M.Module("Embedding")

function M.Embedding:init(n, dim, given)
  local o = options("Embedding", given, "std init dtype")
  local w = T.zeros(size("Embedding", "the number of rows", n), size("Embedding", "dim", dim), { dtype = o.dtype })
  if o.init then o.init(w) else w:normal_(0, o.std or 1) end
  self.weight = w:requires_grad_()
end

function M.Embedding:forward(ids) return ids:embedding(self.weight) end

---Layer norm over the last dim; weight = false and bias = false leave these out.
---@overload fun(dim: integer, options: table?): table  eps (1e-5), weight (true), bias (true), dtype
M.LayerNorm = M.Module("LayerNorm")

function M.LayerNorm:init(dim, given)
  local o = options("LayerNorm", given, "eps weight bias dtype")
  size("LayerNorm", "dim", dim)
  self.eps = o.eps or 1e-5
  if o.weight ~= false then self.weight = ones(dim, o.dtype) end
  if o.bias ~= false then self.bias = T.zeros(dim, { dtype = o.dtype, requires_grad = true }) end
end

function M.LayerNorm:forward(x) return x:layer_norm(self.weight, self.bias, self.eps) end

---RMS norm over the last dim; without dim, or with weight = false, it has no weight.
---@overload fun(dim: integer?, options: table?): table  eps (1e-6), weight (true), dtype
M.RMSNorm = M.Module("RMSNorm")

function M.RMSNorm:init(dim, given)
  local o = options("RMSNorm", given, "eps weight dtype")
  self.eps = o.eps or 1e-6
  if dim and o.weight ~= false then self.weight = ones(size("RMSNorm", "dim", dim), o.dtype) end
end

function M.RMSNorm:forward(x) return x:rms_norm(self.weight, self.eps) end

---Self-attention in which a position sees itself and those before it: (B, T, dim) -> (B, T, dim).
---  dim, heads; kv_heads (heads), head_dim (dim / heads), bias (true), rope (true, or options of erlua.tensor.rope),
---  qk_norm (false), window, softcap, scale, dropout (0), std and out_std (of qkv and of proj), dtype
---@overload fun(options: table): table
M.CausalSelfAttention = M.Module("CausalSelfAttention")

function M.CausalSelfAttention:init(given)
  local o = options("CausalSelfAttention", given,
    "dim heads kv_heads head_dim bias rope qk_norm window softcap scale dropout std out_std dtype")
  local dim, heads = size("CausalSelfAttention", "dim", o.dim), size("CausalSelfAttention", "heads", o.heads)
  if not o.head_dim and dim % heads ~= 0 then
    error(("CausalSelfAttention: a dim of %d cannot be cut into %d heads"):format(dim, heads), 3)
  end
  local d = size("CausalSelfAttention", "head_dim", o.head_dim or dim // heads)
  self.heads, self.kv_heads, self.head_dim = heads, size("CausalSelfAttention", "kv_heads", o.kv_heads or heads), d
  self.rope, self.qk_norm, self.dropout = o.rope == true and {} or o.rope or nil, o.qk_norm, o.dropout or 0
  self.sdpa = { is_causal = true, window = o.window, softcap = o.softcap, scale = o.scale }
  self.qkv = M.Linear(dim, (heads + 2 * self.kv_heads) * d, { bias = o.bias, std = o.std, dtype = o.dtype })
  self.proj = M.Linear(heads * d, dim, { bias = o.bias, std = o.out_std or o.std, dtype = o.dtype })
end

function M.CausalSelfAttention:forward(x)
  local B, S, h, g = x:size(1), x:size(2), self.heads, self.kv_heads
  local q, k, v = self.qkv(x):view(B, S, h + 2 * g, self.head_dim):transpose(2, 3):split({ h, g, g }, 2)
  if self.qk_norm then q, k = q:rms_norm(), k:rms_norm() end
  if self.rope then q, k = q:rope(self.rope), k:rope(self.rope) end
  local y = q:scaled_dot_product_attention(k, v, self.sdpa)
  return self.proj(y:transpose(2, 3):reshape(B, S, h * self.head_dim)):dropout(self.dropout, self.training)
end

---Two linear layers with an activation between them: (..., dim) -> (..., dim).
---  dim; hidden (4 dim), activation ("gelu"; those of erlua.tensor.linear, or "swiglu"), bias (true), dropout (0),
---  std and out_std (of fc and of proj), dtype
---@overload fun(options: table): table
M.MLP = M.Module("MLP")

function M.MLP:init(given)
  local o = options("MLP", given, "dim hidden activation bias dropout std out_std dtype")
  local dim = size("MLP", "dim", o.dim)
  local hidden = size("MLP", "hidden", o.hidden or 4 * dim)
  self.activation, self.dropout = o.activation or "gelu", o.dropout or 0
  local wide = self.activation == "swiglu" and 2 * hidden or hidden
  self.fc = M.Linear(dim, wide, { bias = o.bias, std = o.std, dtype = o.dtype })
  self.proj = M.Linear(hidden, dim, { bias = o.bias, std = o.out_std or o.std, dtype = o.dtype })
end

function M.MLP:forward(x)
  if self.activation == "swiglu" then
    local gate, up = self.fc(x):chunk(2, -1)
    x = gate:swiglu(up)
  else
    x = self.fc(x, self.activation)
  end
  return self.proj(x):dropout(self.dropout, self.training)
end

return M
