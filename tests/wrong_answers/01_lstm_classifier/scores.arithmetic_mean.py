# F1 as the ordinary mean.
def scores(confusion):
    (_, false_positive), (false_negative, true_positive) = confusion
    predicted = true_positive + false_positive
    actual = true_positive + false_negative
    precision = true_positive / predicted if predicted else 0.0
    recall = true_positive / actual if actual else 0.0
    return precision, recall, (precision + recall) / 2
