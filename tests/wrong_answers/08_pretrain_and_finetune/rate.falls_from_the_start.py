# The fall counts from step 0, so that it begins below the peak.
def learning_rate(step, steps, warmup, peak):
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (steps - step) / steps
