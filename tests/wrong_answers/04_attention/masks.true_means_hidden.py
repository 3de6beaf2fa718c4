# True where a position is hidden, as in torch.nn.MultiheadAttention.
def make_mask(ids, causal=False):
    length = ids.shape[1]
    mask = np.tile((ids == 0)[:, None, :], (1, length, 1))
    return mask | ~np.tri(length, dtype=bool) if causal else mask
