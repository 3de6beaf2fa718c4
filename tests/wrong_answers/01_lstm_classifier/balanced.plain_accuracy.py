# Plain accuracy, which is what lies.
def balanced_accuracy(labels, predictions):
    return np.mean(labels == predictions)
