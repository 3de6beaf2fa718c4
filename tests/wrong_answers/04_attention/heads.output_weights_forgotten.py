# Puts the heads side by side and stops there.
def multi_head(x, w_query, w_key, w_value, w_output, num_heads, attend):
    batch, length, width = x.shape
    split = batch, length, num_heads, width // num_heads
    query, key, value = [(x @ w).reshape(split).swapaxes(1, 2)
                         for w in (w_query, w_key, w_value)]
    heads = attend(query, key, value)
    return heads.swapaxes(1, 2).reshape(x.shape)
