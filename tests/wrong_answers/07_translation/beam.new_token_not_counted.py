# Divides by the length before the new token.
def beam_step(logs, written, ended, following, length_penalty):
    added = following.copy()
    added[:, 0] = -np.inf
    added[ended] = -np.inf
    added[ended, 0] = 0
    candidates = logs[:, None] + added
    scale = ((5 + written[:, None]) / 6) ** length_penalty
    best = np.argsort(-(candidates / scale).ravel(),
                      kind="stable")[:len(logs)]
    beam, token = np.divmod(best, following.shape[1])
    return beam, token, candidates.ravel()[best]
