# Lets the cosine run from step 0: it has begun to fall when the warm-up ends.
def learning_rate(step, peak, warmup_steps, total_steps):
    if step < warmup_steps:
        return peak * step / warmup_steps
    progress = min(step / total_steps, 1)
    return peak * 0.5 * (1 + np.cos(np.pi * progress))
