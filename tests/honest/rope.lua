return {
  what = "rotary positions", weights = "own",
  edits = {
    { "heads(q):scaled_dot_product_attention(heads(k), heads(v)", "heads(q):rope():scaled_dot_product_attention(heads(k):rope(), heads(v)" },
    { " + self.positions(T.arange(ids:size(2)))", "" },
  },
}
