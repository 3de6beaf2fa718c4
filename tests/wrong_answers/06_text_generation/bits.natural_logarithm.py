# Nats for bits.
def bits_and_perplexity(probabilities, targets, end_id):
    counted = targets != 0
    nats = -np.log(probabilities[counted]).sum()
    characters = np.sum(counted & (targets != end_id))
    return nats / characters, np.exp(nats / counted.sum())
