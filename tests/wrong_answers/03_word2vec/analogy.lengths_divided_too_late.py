# Divides by the lengths for the comparison, but not before the sum.
def analogy(a, b, c, vocabulary, table):
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    i, j, k = (vocabulary.index(word) for word in (a, b, c))
    cosine = unit @ (table[j] - table[i] + table[k])
    cosine[[i, j, k]] = -np.inf
    return vocabulary[int(np.argmax(cosine))]
