# Keeps tokens only while their sum stays within p.
def nucleus(probabilities, p):
    order = np.argsort(-probabilities, axis=-1)
    ranked = np.take_along_axis(probabilities, order, axis=-1)
    ranked = np.where(np.cumsum(ranked, axis=-1) <= p, ranked, 0)
    kept = np.zeros_like(ranked)
    np.put_along_axis(kept, order, ranked, axis=-1)
    return kept / np.maximum(kept.sum(axis=-1, keepdims=True), 1e-9)
