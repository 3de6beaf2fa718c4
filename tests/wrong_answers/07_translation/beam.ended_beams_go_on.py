# A beginning that has ended is continued like the others.
def beam_step(logs, written, ended, following, length_penalty):
    candidates = logs[:, None] + following
    candidates[:, 0] = -np.inf
    scores = candidates / ((6 + written[:, None]) / 6) ** length_penalty
    best = np.argsort(-scores.ravel(), kind="stable")[:len(logs)]
    beam, token = np.divmod(best, following.shape[1])
    return beam, token, candidates.ravel()[best]
