# i / d in the exponent where the formula has 2i / d.
def sinusoidal_encoding(length, width):
    angles = np.arange(length)[:, None] / 10000 ** (
        np.arange(width // 2) / width)
    return np.stack([np.sin(angles), np.cos(angles)], -1).reshape(length, -1)
