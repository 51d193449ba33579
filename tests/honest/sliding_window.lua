return { what = "a sliding window", weights = "own", edits = { { "{ is_causal = true }", "{ is_causal = true, window = 16 }" } } }
