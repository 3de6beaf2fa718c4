# Works in the caller's array.
def penalised(logits, ids, penalty):
    for row, text in zip(logits, ids):
        for i in set(text.tolist()) - {0}:
            row[i] = row[i] / penalty if row[i] > 0 else row[i] * penalty
    return logits
