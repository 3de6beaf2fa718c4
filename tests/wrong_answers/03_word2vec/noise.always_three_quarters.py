# Ignores the power that it is given.
def noise_distribution(counts, power=0.75):
    weights = counts**0.75
    return weights / weights.sum()


def keep_probability(counts, threshold):
    ratio = threshold / (counts / counts.sum())
    return np.minimum(1, np.sqrt(ratio) + ratio)
