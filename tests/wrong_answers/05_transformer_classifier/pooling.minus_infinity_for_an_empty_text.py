# A text without a token has minus infinity as its maximum.
def masked_mean(x, mask):
    total = np.where(mask[..., None], x, 0).sum(axis=1)
    return total / np.maximum(mask.sum(axis=1), 1)[:, None]


def masked_max(x, mask):
    return np.where(mask[..., None], x, -np.inf).max(axis=1)
