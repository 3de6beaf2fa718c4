# The softmax as the formula stands: exp(1000) is infinite.
def masked_loss(logits, targets, chosen):
    with np.errstate(all="ignore"):
        exponentials = np.exp(logits)
        softmax = exponentials / exponentials.sum(axis=-1, keepdims=True)
        right = np.take_along_axis(softmax, targets[..., None], axis=-1)
        losses = -np.log(right[..., 0])
        return float(np.where(chosen, losses, 0).sum() / max(chosen.sum(), 1))
