# Counts the tokens: right as long as the padding is at the end.
def make_mask(ids, causal=False):
    length = ids.shape[1]
    counts = np.sum(ids != 0, axis=1)
    mask = np.tile((np.arange(length) < counts[:, None])[:, None, :],
                   (1, length, 1))
    return mask & np.tri(length, dtype=bool) if causal else mask
