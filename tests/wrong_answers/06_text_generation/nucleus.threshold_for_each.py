# p is taken for a share of the highest probability (that is min-p).
def nucleus(probabilities, p):
    highest = probabilities.max(axis=-1, keepdims=True)
    kept = np.where(probabilities >= (1 - p) * highest, probabilities, 0)
    return kept / kept.sum(axis=-1, keepdims=True)
