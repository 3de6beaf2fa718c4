# Counts the tokens and takes as many from the left.
def masked_mean(x, mask):
    return np.array([row[:n].mean(axis=0) if n else np.zeros(x.shape[2])
                     for row, n in zip(x, mask.sum(axis=1))])


def masked_max(x, mask):
    return np.array([row[:n].max(axis=0) if n else np.zeros(x.shape[2])
                     for row, n in zip(x, mask.sum(axis=1))])
