# Reshapes in one go: a "head" is then made of pieces of other positions.
def multi_head(x, w_query, w_key, w_value, w_output, num_heads, attend):
    batch, length, width = x.shape
    split = batch, num_heads, length, width // num_heads
    query, key, value = [(x @ w).reshape(split)
                         for w in (w_query, w_key, w_value)]
    return attend(query, key, value).reshape(x.shape) @ w_output
