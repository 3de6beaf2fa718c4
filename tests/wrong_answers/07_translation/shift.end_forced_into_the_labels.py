# A text that does not fit is given an end all the same.
def teacher_forcing(translations, start_id, end_id, length):
    inputs = np.zeros((len(translations), length), "int32")
    labels = np.zeros((len(translations), length), "int32")
    for row, ids in enumerate(translations):
        read, said = [start_id, *ids][:length], [*ids[:length - 1], end_id]
        inputs[row, :len(read)] = read
        labels[row, :len(said)] = said
    return inputs, labels
