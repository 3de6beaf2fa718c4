# Knows the classes 0 and 1 only, and takes for granted that both occur.
def balanced_accuracy(labels, predictions):
    return (np.mean(predictions[labels == 0] == 0)
            + np.mean(predictions[labels == 1] == 1)) / 2
