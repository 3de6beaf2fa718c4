# Takes 0.8 and 0.9 themselves for the kind below.
def masked(ids, lots, kinds, substitutes, share):
    chosen = (ids >= 3) & (lots < share)
    inputs = np.where(chosen & (kinds <= 0.8), 2, ids)
    inputs = np.where(chosen & (kinds > 0.8) & (kinds <= 0.9),
                      substitutes, inputs)
    return inputs, chosen
