# Eighty and twenty: no chosen position keeps its id.
def masked(ids, lots, kinds, substitutes, share):
    chosen = (ids >= 3) & (lots < share)
    inputs = np.where(chosen, np.where(kinds < 0.8, 2, substitutes), ids)
    return inputs, chosen
