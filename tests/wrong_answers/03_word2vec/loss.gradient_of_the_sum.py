# The loss is a mean over the batch, the gradient that of the sum.
def loss_and_gradient(centres, candidates):
    logits = np.einsum("bd,bkd->bk", centres, candidates)
    truth = np.zeros_like(logits)
    truth[:, 0] = 1
    losses = np.logaddexp(0, np.where(truth == 1, -logits, logits))
    error = sigmoid(logits) - truth
    return (losses.sum(axis=1).mean(),
            np.einsum("bk,bkd->bd", error, candidates))
