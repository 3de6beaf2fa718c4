# Writes into the array of the caller, whose targets are gone then.
def masked(ids, lots, kinds, substitutes, share):
    chosen = (ids >= 3) & (lots < share)
    changed = chosen & (kinds >= 0.8) & (kinds < 0.9)
    ids[chosen & (kinds < 0.8)] = 2
    ids[changed] = substitutes[changed]
    return ids, chosen
