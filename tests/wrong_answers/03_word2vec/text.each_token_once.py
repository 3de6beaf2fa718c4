# A token that stands twice counts once.
def text_to_vector(tokens, vectors, width, weight):
    different = list(dict.fromkeys(tokens))
    known = [token for token in different if token in vectors]
    if not known:
        return np.zeros(width), 0.0
    weights = [weight.get(token, 1) for token in known]
    mean = np.average([vectors[token] for token in known], axis=0,
                      weights=weights)
    return mean, len(known) / len(different)
