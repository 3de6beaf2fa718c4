# The factor exp(1 - r / c) for every text: above 1 if it is too long.
def bleu(hypotheses, references, max_n=4):
    def ngrams(tokens, n):
        return collections.Counter(zip(*(tokens[i:] for i in range(n))))

    written, wanted = sum(map(len, hypotheses)), sum(map(len, references))
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
    return 100 * math.exp(1 - wanted / written + sum(logarithms) / max_n)
