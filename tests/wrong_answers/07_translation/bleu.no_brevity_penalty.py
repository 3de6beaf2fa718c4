# Precision only: a short text of sure words wins.
def bleu(hypotheses, references, max_n=4):
    def ngrams(tokens, n):
        return collections.Counter(zip(*(tokens[i:] for i in range(n))))

    logarithms = []
    for n in range(1, max_n + 1):
        right = total = 0
        for hypothesis, reference in zip(hypotheses, references):
            found = ngrams(hypothesis, n)
            right += (found & ngrams(reference, n)).total()
            total += found.total()
        if right == 0:
            return 0.0
        logarithms.append(math.log(right / total))
    return 100 * math.exp(sum(logarithms) / max_n)
