# Cuts large scores off, so that they no longer differ.
def attention_step(query, key, value, cache, position):
    keys, values = (array.copy() for array in cache)
    keys[:, position], values[:, position] = key, value
    known = keys[:, :position + 1]
    scores = np.einsum("bd,bkd->bk", query, known) / np.sqrt(key.shape[-1])
    weights = np.exp(np.clip(scores, -50, 50))
    weights /= weights.sum(axis=-1, keepdims=True)
    output = np.einsum("bk,bkd->bd", weights, values[:, :position + 1])
    return output, (keys, values)
