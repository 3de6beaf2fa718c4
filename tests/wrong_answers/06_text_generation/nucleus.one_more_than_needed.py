# The token that reaches p is not the last: one more is kept.
def nucleus(probabilities, p):
    order = np.argsort(-probabilities, axis=-1)
    ranked = np.take_along_axis(probabilities, order, axis=-1)
    before = np.cumsum(ranked, axis=-1) - ranked
    ranked = np.where(before <= p, ranked, 0)
    kept = np.zeros_like(ranked)
    np.put_along_axis(kept, order, ranked, axis=-1)
    return kept / kept.sum(axis=-1, keepdims=True)
