# The end is counted as a character.
def bits_and_perplexity(probabilities, targets, end_id):
    counted = targets != 0
    bits = -np.log2(probabilities[counted]).mean()
    return bits, 2 ** bits
