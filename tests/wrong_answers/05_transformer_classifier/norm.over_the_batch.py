# Batch normalisation: one mean a column, over texts and positions.
def layer_norm(x, gamma, beta, epsilon):
    mean = x.mean(axis=(0, 1))
    variance = x.var(axis=(0, 1))
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta
