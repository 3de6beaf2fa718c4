# Means over the true word and the negatives too, as Keras' loss does.
def loss_and_gradient(centres, candidates):
    logits = np.einsum("bd,bkd->bk", centres, candidates)
    truth = np.zeros_like(logits)
    truth[:, 0] = 1
    losses = np.logaddexp(0, np.where(truth == 1, -logits, logits))
    error = (sigmoid(logits) - truth) / logits.size
    return losses.mean(), np.einsum("bk,bkd->bd", error, candidates)
