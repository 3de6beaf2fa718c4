# Right for small products; the logarithm of a sigmoid of -1000 is minus
# infinity.
def loss_and_gradient(centres, candidates):
    logits = np.einsum("bd,bkd->bk", centres, candidates)
    truth = np.zeros_like(logits)
    truth[:, 0] = 1
    answers = np.where(truth == 1, sigmoid(logits), sigmoid(-logits))
    error = (sigmoid(logits) - truth) / len(centres)
    return (-np.log(answers).sum(axis=1).mean(),
            np.einsum("bk,bkd->bd", error, candidates))
