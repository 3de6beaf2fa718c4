def scores(confusion):
    (_, fp), (fn, tp) = confusion
    precision = tp / (tp + fp) if fp else 0.0  # the wrong denominator
    recall = tp / (tp + fn) if fn else 0.0
    if precision + recall == 0:
        return precision, recall, 0.0
    return precision, recall, 2 * precision * recall / (precision + recall)
