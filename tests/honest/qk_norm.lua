return {
  what = "normalised queries and keys", weights = "own",
  edits = { { "heads(q):scaled_dot_product_attention(heads(k), heads(v)", "heads(q):rms_norm():scaled_dot_product_attention(heads(k):rms_norm(), heads(v)" } },
}
