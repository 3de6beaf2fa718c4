# Right on every ordinary matrix, not a number where nothing was predicted.
def scores(confusion):
    (_, false_positive), (false_negative, true_positive) = confusion
    precision = true_positive / (true_positive + false_positive)
    recall = true_positive / (true_positive + false_negative)
    return precision, recall, 2 * precision * recall / (precision + recall)
