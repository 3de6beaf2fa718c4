# The number of tokens is found for the first row and used for all.
def nucleus(probabilities, p):
    ranked = -np.sort(-probabilities, axis=-1)
    before = np.cumsum(ranked, axis=-1) - ranked
    k = int((before[0] < p).sum())
    kept = np.where(probabilities >= ranked[:, k - 1:k], probabilities, 0)
    return kept / kept.sum(axis=-1, keepdims=True)
