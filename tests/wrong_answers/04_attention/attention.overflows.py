# The formula as it stands: right until a score passes 709.
def attention(query, key, value, mask=None):
    weights = np.exp(query @ key.swapaxes(1, 2) / np.sqrt(key.shape[-1]))
    if mask is not None:
        weights = weights * mask
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total > 0, total, 1) @ value
