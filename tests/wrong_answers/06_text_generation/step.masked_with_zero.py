# The scores of the other places are set to 0, which is no mask.
def attention_step(query, key, value, cache, position):
    keys, values = (array.copy() for array in cache)
    keys[:, position], values[:, position] = key, value
    scores = np.einsum("bd,bkd->bk", query, keys) / np.sqrt(key.shape[-1])
    scores = np.where(np.arange(keys.shape[1]) <= position, scores, 0)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("bk,bkd->bd", weights, values), (keys, values)
