# Divides by the size of the predicted class: the mean of the precisions.
def balanced_accuracy(labels, predictions):
    found = []
    for label in np.unique(labels):
        predicted = predictions == label
        found.append(np.mean(labels[predicted] == label)
                     if predicted.any() else 0.0)
    return np.mean(found)
