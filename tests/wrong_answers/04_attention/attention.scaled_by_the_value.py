# The root of the width of the values, which may be another one.
def attention(query, key, value, mask=None):
    scores = query @ key.swapaxes(1, 2) / np.sqrt(value.shape[-1])
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    highest = scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isfinite(highest), highest, 0))
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total > 0, total, 1) @ value
