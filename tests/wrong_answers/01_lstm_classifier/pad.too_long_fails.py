# Forgets that a text may be longer than the batch.
def pad(sequences, length):
    rows = [sequence + [0] * (length - len(sequence))
            for sequence in sequences]
    return np.array(rows, dtype="int32")
