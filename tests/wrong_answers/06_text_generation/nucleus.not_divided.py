# The rest does not sum to 1.
def nucleus(probabilities, p):
    order = np.argsort(-probabilities, axis=-1)
    ranked = np.take_along_axis(probabilities, order, axis=-1)
    before = np.cumsum(ranked, axis=-1) - ranked
    kept = np.zeros_like(ranked)
    np.put_along_axis(kept, order, np.where(before < p, ranked, 0), axis=-1)
    return kept
