# Sets the other losses to 0 and takes the plain mean.
def masked_loss(logits, targets, chosen):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=-1))
    right = np.take_along_axis(shifted, targets[..., None], axis=-1)[..., 0]
    losses = log_sums - right
    return float((losses * chosen).mean())
