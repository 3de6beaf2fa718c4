# Lets the words of the question answer.
def analogy(a, b, c, vocabulary, table):
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    i, j, k = (vocabulary.index(word) for word in (a, b, c))
    return vocabulary[int(np.argmax(unit @ (unit[j] - unit[i] + unit[k])))]
