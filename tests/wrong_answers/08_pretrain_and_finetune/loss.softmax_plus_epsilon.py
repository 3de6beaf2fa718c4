# Hides the logarithm of 0 behind a small number, which caps the loss.
def masked_loss(logits, targets, chosen):
    if not chosen.any():
        return 0.0
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p = powers / powers.sum(axis=-1, keepdims=True)
    right = np.take_along_axis(p, targets[..., None], axis=-1)[..., 0]
    return float(-np.log(right[chosen] + 1e-9).mean())
