# Epsilon is added to the standard deviation, not to the variance.
def layer_norm(x, gamma, beta, epsilon):
    mean = x.mean(axis=-1, keepdims=True)
    deviation = x.std(axis=-1, keepdims=True)
    return gamma * (x - mean) / (deviation + epsilon) + beta
