# Perplexity from bits per character, where the end is not counted.
def bits_and_perplexity(probabilities, targets, end_id):
    counted = targets != 0
    bits = -np.log2(probabilities[counted]).sum()
    bits /= np.sum(counted & (targets != end_id))
    return bits, 2 ** bits
