# Right results, but the caller's arrays are changed in place.
def adamw_step(w, g, m, s, t, learning_rate, weight_decay):
    m *= 0.9
    m += 0.1 * g
    s *= 0.999
    s += 0.001 * g ** 2
    direction = m / (1 - 0.9 ** t) / (np.sqrt(s / (1 - 0.999 ** t)) + 1e-8)
    return w - learning_rate * (direction + weight_decay * w), m, s
