# Masks who looks as well as who is looked at.
def make_mask(ids, causal=False):
    real = ids != 0
    mask = real[:, :, None] & real[:, None, :]
    return mask & np.tri(ids.shape[1], dtype=bool) if causal else mask
