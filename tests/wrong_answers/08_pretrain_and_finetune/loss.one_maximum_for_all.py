# Subtracts the largest logit of the batch, not of each row.
def masked_loss(logits, targets, chosen):
    if not chosen.any():
        return 0.0
    z, t = logits[chosen], targets[chosen]
    z = z - z.max()
    sums = np.log(np.exp(z).sum(axis=1))
    return float((sums - z[np.arange(len(t)), t]).mean())
