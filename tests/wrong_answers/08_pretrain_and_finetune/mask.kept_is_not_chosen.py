# Takes a position that keeps its id for one that is not chosen.
def masked(ids, lots, kinds, substitutes, share):
    chosen = (ids >= 3) & (lots < share) & (kinds < 0.9)
    inputs = np.where(chosen & (kinds < 0.8), 2, ids)
    inputs = np.where(chosen & (kinds >= 0.8), substitutes, inputs)
    return inputs, chosen
