# Id 0 is penalised like a token.
def penalised(logits, ids, penalty):
    used = np.zeros(logits.shape, dtype=bool)
    np.put_along_axis(used, ids, True, axis=-1)
    lower = np.where(logits > 0, logits / penalty, logits * penalty)
    return np.where(used, lower, logits)
