# A mean for each text first, and then the mean of the texts.
def masked_loss(logits, targets, chosen):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=-1))
    right = np.take_along_axis(shifted, targets[..., None], axis=-1)[..., 0]
    losses = log_sums - right
    counts = np.maximum(chosen.sum(axis=1), 1)
    of_texts = (losses * chosen).sum(axis=1) / counts
    return float(of_texts.mean())
