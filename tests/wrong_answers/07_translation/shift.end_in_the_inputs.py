# Cuts start … end in two: the input of a shorter text keeps its end.
def teacher_forcing(translations, start_id, end_id, length):
    whole = np.zeros((len(translations), length + 1), "int32")
    for row, ids in enumerate(translations):
        both = [start_id, *ids, end_id][:length + 1]
        whole[row, :len(both)] = both
    return whole[:, :-1], whole[:, 1:]
