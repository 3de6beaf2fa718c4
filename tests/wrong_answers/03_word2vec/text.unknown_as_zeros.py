# Unknown tokens take part in the mean, as zeros.
def text_to_vector(tokens, vectors, width, weight):
    if not tokens:
        return np.zeros(width), 0.0
    rows = [vectors.get(token, np.zeros(width)) for token in tokens]
    weights = [weight.get(token, 1) for token in tokens]
    known = sum(token in vectors for token in tokens)
    return (np.average(rows, axis=0, weights=weights), known / len(tokens))
