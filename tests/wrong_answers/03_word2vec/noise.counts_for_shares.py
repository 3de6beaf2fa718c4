# Compares the threshold with the counts instead of the shares.
def noise_distribution(counts, power=0.75):
    weights = counts**power
    return weights / weights.sum()


def keep_probability(counts, threshold):
    ratio = threshold / counts
    return np.minimum(1, np.sqrt(ratio) + ratio)
