# Each text has its own score; their mean is returned.
def bits_and_perplexity(probabilities, targets, end_id):
    scores, perplexities = [], []
    for p, ids in zip(probabilities, targets):
        counted = ids != 0
        bits = -np.log2(p[counted]).sum()
        scores.append(bits / np.sum(counted & (ids != end_id)))
        perplexities.append(2 ** (bits / counted.sum()))
    return np.mean(scores), np.mean(perplexities)
