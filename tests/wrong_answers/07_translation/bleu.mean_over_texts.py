# A BLEU for each text, then their mean.
def bleu(hypotheses, references, max_n=4):
    def ngrams(tokens, n):
        return collections.Counter(zip(*(tokens[i:] for i in range(n))))

    scores = []
    for hypothesis, reference in zip(hypotheses, references):
        product = 1
        for n in range(1, max_n + 1):
            found = ngrams(hypothesis, n)
            right = (found & ngrams(reference, n)).total()
            product *= right / max(found.total(), 1)
        penalty = (math.exp(min(0, 1 - len(reference) / len(hypothesis)))
                   if hypothesis else 0)
        scores.append(100 * penalty * product ** (1 / max_n))
    return float(np.mean(scores))
