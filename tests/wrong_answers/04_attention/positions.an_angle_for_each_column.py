# The cosine does not share the angle of the sine on its left.
def sinusoidal_encoding(length, width):
    columns = np.arange(width)
    angles = np.arange(length)[:, None] / 10000 ** (columns / width)
    return np.where(columns % 2 == 0, np.sin(angles), np.cos(angles))
