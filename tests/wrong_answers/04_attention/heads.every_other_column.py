# Deals the columns out like cards: head 0 gets columns 0, 2, 4, …
def multi_head(x, w_query, w_key, w_value, w_output, num_heads, attend):
    query, key, value = x @ w_query, x @ w_key, x @ w_value
    joined = np.zeros_like(x)
    for h in range(num_heads):
        joined[..., h::num_heads] = attend(query[..., h::num_heads],
                                           key[..., h::num_heads],
                                           value[..., h::num_heads])
    return joined @ w_output
