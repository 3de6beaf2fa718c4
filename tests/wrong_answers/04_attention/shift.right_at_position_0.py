# Both sines positive: right at position 0 only.
def shift_matrix(steps, width):
    matrix = np.zeros((width, width))
    for i in range(0, width, 2):
        angle = steps / 10000 ** (i / width)
        matrix[i:i + 2, i:i + 2] = [[np.cos(angle), np.sin(angle)],
                                    [np.sin(angle), np.cos(angle)]]
    return matrix
