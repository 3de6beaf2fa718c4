# Divides all: a negative logit rises.
def penalised(logits, ids, penalty):
    used = np.zeros(logits.shape, dtype=bool)
    np.put_along_axis(used, ids, True, axis=-1)
    used[:, 0] = False
    return np.where(used, logits / penalty, logits)
