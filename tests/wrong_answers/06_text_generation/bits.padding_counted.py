# Padding costs bits and counts as a target.
def bits_and_perplexity(probabilities, targets, end_id):
    bits = -np.log2(np.maximum(probabilities, 1e-9)).sum()
    characters = np.sum((targets != 0) & (targets != end_id))
    return bits / characters, 2 ** (bits / targets.size)
