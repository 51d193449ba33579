return {
  what = "linear attention in chunks", weights = "own",
  edits = { { "heads(q):scaled_dot_product_attention(heads(k), heads(v), { is_causal = true })", [[
(function(Q, K, V)
    local out, state, size = {}, nil, 16
    for at = 1, L, size do
      local a, b, c = Q:narrow(3, at, size), K:narrow(3, at, size), V:narrow(3, at, size)
      local y = a:matmul(b:transpose(-2, -1)):tril():matmul(c)
      if state then y = y + a:matmul(state) end
      local more = b:transpose(-2, -1):matmul(c)
      state = state and state + more or more
      out[#out + 1] = y
    end
    return T.cat(out, 3):rms_norm()
  end)(heads(q):softmax(-1), heads(k):softmax(-1), heads(v))]] } },
}
