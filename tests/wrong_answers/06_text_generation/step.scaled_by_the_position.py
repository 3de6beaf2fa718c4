# Divides by the root of the number of tokens, not of the width.
def attention_step(query, key, value, cache, position):
    keys, values = (array.copy() for array in cache)
    keys[:, position], values[:, position] = key, value
    known = keys[:, :position + 1]
    scores = np.einsum("bd,bkd->bk", query, known) / np.sqrt(position + 1)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    output = np.einsum("bk,bkd->bd", weights, values[:, :position + 1])
    return output, (keys, values)
