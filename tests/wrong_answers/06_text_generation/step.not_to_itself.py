# The token does not see itself (but for the first).
def attention_step(query, key, value, cache, position):
    keys, values = (array.copy() for array in cache)
    keys[:, position], values[:, position] = key, value
    end = max(position, 1)
    scores = np.einsum("bd,bkd->bk", query, keys[:, :end])
    scores /= np.sqrt(key.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    output = np.einsum("bk,bkd->bd", weights, values[:, :end])
    return output, (keys, values)
