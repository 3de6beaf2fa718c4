# Keeps padding out, but masks <unk> and <mask>.
def masked(ids, lots, kinds, substitutes, share):
    chosen = (ids != 0) & (lots < share)
    inputs = np.where(chosen & (kinds < 0.8), 2, ids)
    inputs = np.where(chosen & (kinds >= 0.8) & (kinds < 0.9),
                      substitutes, inputs)
    return inputs, chosen
