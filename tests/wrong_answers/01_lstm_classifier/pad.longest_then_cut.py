def pad(sequences, length):
    longest = max(map(len, sequences), default=length)
    batch = np.zeros((len(sequences), longest), dtype="int32")
    for row, sequence in zip(batch, sequences):
        row[:len(sequence)] = sequence
    return batch[:, :length]  # too narrow when all texts are short
