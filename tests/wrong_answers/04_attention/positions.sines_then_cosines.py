# All sines on the left, all cosines on the right.
def sinusoidal_encoding(length, width):
    angles = np.arange(length)[:, None] / 10000 ** (
        np.arange(0, width, 2) / width)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
