# Causal the wrong way round: a position sees the future only.
def make_mask(ids, causal=False):
    length = ids.shape[1]
    mask = np.tile((ids != 0)[:, None, :], (1, length, 1))
    return mask & np.tri(length, dtype=bool).T if causal else mask
