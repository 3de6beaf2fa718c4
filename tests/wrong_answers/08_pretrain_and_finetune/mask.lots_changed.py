# Excludes special tokens by writing into the lots that it was given.
def masked(ids, lots, kinds, substitutes, share):
    lots[ids < 3] = 2
    chosen = lots < share
    inputs = np.where(chosen & (kinds < 0.8), 2, ids)
    inputs = np.where(chosen & (kinds >= 0.8) & (kinds < 0.9),
                      substitutes, inputs)
    return inputs, chosen
