# Adds up, as the article does.
def text_to_vector(tokens, vectors, width, weight):
    total, known = np.zeros(width), 0
    for token in tokens:
        if token in vectors:
            total += weight.get(token, 1) * vectors[token]
            known += 1
    return total, known / max(len(tokens), 1)
