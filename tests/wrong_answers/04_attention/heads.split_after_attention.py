# Attends over the whole width at once, so that one head does all the work.
def multi_head(x, w_query, w_key, w_value, w_output, num_heads, attend):
    return attend(x @ w_query, x @ w_key, x @ w_value) @ w_output
