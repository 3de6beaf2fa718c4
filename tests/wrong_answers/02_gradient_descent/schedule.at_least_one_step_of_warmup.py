# Takes for granted that every schedule starts at 0, with a warm-up.
def learning_rate(step, peak, warmup_steps, total_steps):
    if step <= warmup_steps:
        return peak * step / max(warmup_steps, 1)
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return peak * 0.5 * (1 + np.cos(np.pi * min(progress, 1)))
