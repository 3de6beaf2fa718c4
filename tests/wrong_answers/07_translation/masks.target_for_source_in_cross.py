# The cross mask hides rows of padding queries, not keys of the source.
def translator_masks(source, target):
    target_length = target.shape[1]
    keys = (source != 0)[:, None]
    causal = np.tril(np.ones((target_length, target_length), bool))
    cross = np.repeat((target != 0)[:, :, None], source.shape[1], axis=2)
    return (np.repeat(keys, source.shape[1], axis=1),
            (target != 0)[:, None] & causal, cross)
