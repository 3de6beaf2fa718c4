# A large negative number in place of minus infinity: a row that is all masked
# looks at everything.
def attention(query, key, value, mask=None):
    scores = query @ key.swapaxes(1, 2) / np.sqrt(key.shape[-1])
    if mask is not None:
        scores = np.where(mask, scores, -1e9)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ value
