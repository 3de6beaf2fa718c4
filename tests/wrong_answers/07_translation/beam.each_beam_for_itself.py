# Every beam keeps its own best continuation: they never compete.
def beam_step(logs, written, ended, following, length_penalty):
    added = following.copy()
    added[:, 0] = -np.inf
    added[ended] = -np.inf
    added[ended, 0] = 0
    candidates = logs[:, None] + added
    token = candidates.argmax(axis=1)
    beam = np.arange(len(logs))
    number = written + np.where(ended, 0, 1)
    new = candidates[beam, token]
    order = np.argsort(-new / ((5 + number) / 6) ** length_penalty,
                       kind="stable")
    return beam[order], token[order], new[order]
