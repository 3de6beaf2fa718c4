# Splits well, but joins heads and positions in the wrong order.
def multi_head(x, w_query, w_key, w_value, w_output, num_heads, attend):
    batch, length, width = x.shape
    split = batch, length, num_heads, width // num_heads
    query, key, value = [(x @ w).reshape(split).swapaxes(1, 2)
                         for w in (w_query, w_key, w_value)]
    heads = attend(query, key, value)
    return heads.reshape(x.shape) @ w_output
