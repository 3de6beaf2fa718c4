# Right result, but the caller's lists are longer afterwards.
def pad(sequences, length):
    batch = np.zeros((len(sequences), length), dtype="int32")
    for row, sequence in zip(batch, sequences):
        while len(sequence) < length:
            sequence.append(0)
        row[:] = sequence[:length]
    return batch
