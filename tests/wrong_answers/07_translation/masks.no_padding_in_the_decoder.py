# The decoder's mask is causal only: padding in the middle is a key.
def translator_masks(source, target):
    batch, source_length = source.shape
    target_length = target.shape[1]
    keys = (source != 0)[:, None]
    causal = np.tril(np.ones((batch, target_length, target_length), bool))
    return (np.repeat(keys, source_length, axis=1), causal,
            np.repeat(keys, target_length, axis=1))
