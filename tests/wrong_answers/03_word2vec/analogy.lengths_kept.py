# Compares products of vectors whose lengths differ.
def analogy(a, b, c, vocabulary, table):
    i, j, k = (vocabulary.index(word) for word in (a, b, c))
    product = table @ (table[j] - table[i] + table[k])
    product[[i, j, k]] = -np.inf
    return vocabulary[int(np.argmax(product))]
