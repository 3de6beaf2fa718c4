# No mask: the places not yet written get attention.
def attention_step(query, key, value, cache, position):
    keys, values = (array.copy() for array in cache)
    keys[:, position], values[:, position] = key, value
    scores = np.einsum("bd,bkd->bk", query, keys) / np.sqrt(key.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("bk,bkd->bd", weights, values), (keys, values)
