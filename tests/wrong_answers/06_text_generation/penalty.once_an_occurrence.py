# A token that stands there twice is penalised twice.
def penalised(logits, ids, penalty):
    logits = logits.copy()
    for row, text in zip(logits, ids):
        for i in text[text != 0]:
            row[i] = row[i] / penalty if row[i] > 0 else row[i] * penalty
    return logits
