# What one text has used is penalised in all of them.
def penalised(logits, ids, penalty):
    used = np.isin(np.arange(logits.shape[1]), ids[ids != 0])
    lower = np.where(logits > 0, logits / penalty, logits * penalty)
    return np.where(used, lower, logits)
