# Falls in a straight line from the first step on.
def learning_rate(step, steps, warmup, peak):
    return peak * (steps - step) / steps
