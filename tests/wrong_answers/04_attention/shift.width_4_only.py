# Counts the pairs where the formula counts the columns: right for width 4.
def shift_matrix(steps, width):
    matrix = np.zeros((width, width))
    for i in range(0, width, 2):
        angle = steps / 100 ** (i // 2)
        matrix[i:i + 2, i:i + 2] = [[np.cos(angle), -np.sin(angle)],
                                    [np.sin(angle), np.cos(angle)]]
    return matrix
