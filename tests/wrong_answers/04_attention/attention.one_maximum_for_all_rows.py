# Subtracts the highest score of the whole batch: a row far below it is lost.
def attention(query, key, value, mask=None):
    scores = query @ key.swapaxes(1, 2) / np.sqrt(key.shape[-1])
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    weights = np.exp(scores - scores[np.isfinite(scores)].max(initial=0))
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total > 0, total, 1) @ value
