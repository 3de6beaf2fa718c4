# The formula of the paper, which drops the second term of the program's.
def noise_distribution(counts, power=0.75):
    weights = counts**power
    return weights / weights.sum()


def keep_probability(counts, threshold):
    return np.minimum(1, np.sqrt(threshold / (counts / counts.sum())))
