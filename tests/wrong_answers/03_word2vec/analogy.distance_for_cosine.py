# Takes the nearest row of the undivided table, not the largest cosine.
def analogy(a, b, c, vocabulary, table):
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    i, j, k = (vocabulary.index(word) for word in (a, b, c))
    target = unit[j] - unit[i] + unit[k]
    distance = np.linalg.norm(table - target, axis=1)
    distance[[i, j, k]] = np.inf
    return vocabulary[int(np.argmin(distance))]
