# Takes total_steps for the length of the decay alone, as Keras' decay_steps.
def learning_rate(step, peak, warmup_steps, total_steps):
    if step < warmup_steps:
        return peak * step / warmup_steps
    progress = min((step - warmup_steps) / total_steps, 1)
    return peak * 0.5 * (1 + np.cos(np.pi * progress))
