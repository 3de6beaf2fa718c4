# One length for all candidates, so that the penalty changes no order.
def beam_step(logs, written, ended, following, length_penalty):
    added = following.copy()
    added[:, 0] = -np.inf
    added[ended] = -np.inf
    added[ended, 0] = 0
    candidates = logs[:, None] + added
    number = written.max() + 1
    scores = candidates / ((5 + number) / 6) ** length_penalty
    best = np.argsort(-scores.ravel(), kind="stable")[:len(logs)]
    beam, token = np.divmod(best, following.shape[1])
    return beam, token, candidates.ravel()[best]
