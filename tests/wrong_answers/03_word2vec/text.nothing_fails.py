# Right for every text of which something is known.
def text_to_vector(tokens, vectors, width, weight):
    known = [token for token in tokens if token in vectors]
    weights = [weight.get(token, 1) for token in known]
    mean = np.average([vectors[token] for token in known], axis=0,
                      weights=weights)
    return mean, len(known) / len(tokens)
