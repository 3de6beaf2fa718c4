# Zeros on the left, as keras.utils.pad_sequences does when nothing is said.
def pad(sequences, length):
    batch = np.zeros((len(sequences), length), dtype="int32")
    for row, sequence in zip(batch, sequences):
        kept = sequence[:length]
        if kept:
            row[-len(kept):] = kept
    return batch
