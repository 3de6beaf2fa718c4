# Takes the power of the shares, so that they no longer add up to 1.
def noise_distribution(counts, power=0.75):
    return (counts / counts.sum())**power


def keep_probability(counts, threshold):
    ratio = threshold / (counts / counts.sum())
    return np.minimum(1, np.sqrt(ratio) + ratio)
