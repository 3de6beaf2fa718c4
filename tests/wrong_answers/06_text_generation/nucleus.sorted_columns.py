# The result is sorted: the tokens have lost their columns.
def nucleus(probabilities, p):
    ranked = -np.sort(-probabilities, axis=-1)
    before = np.cumsum(ranked, axis=-1) - ranked
    ranked = np.where(before < p, ranked, 0)
    return ranked / ranked.sum(axis=-1, keepdims=True)
