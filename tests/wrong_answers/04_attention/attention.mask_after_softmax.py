# Masks the finished weights: those of a row no longer add up to 1.
def attention(query, key, value, mask=None):
    scores = query @ key.swapaxes(1, 2) / np.sqrt(key.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return (weights if mask is None else weights * mask) @ value
