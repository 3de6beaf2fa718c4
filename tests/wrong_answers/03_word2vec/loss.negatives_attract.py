# Forgets the minus of the negatives: they are pulled nearer, too.
def loss_and_gradient(centres, candidates):
    logits = np.einsum("bd,bkd->bk", centres, candidates)
    losses = np.logaddexp(0, -logits)
    error = (sigmoid(logits) - 1) / len(centres)
    return (losses.sum(axis=1).mean(),
            np.einsum("bk,bkd->bd", error, candidates))
