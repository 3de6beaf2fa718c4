# Every n-gram that stands in the reference counts, however often it is said.
def bleu(hypotheses, references, max_n=4):
    def ngrams(tokens, n):
        return list(zip(*(tokens[i:] for i in range(n))))

    written, wanted = sum(map(len, hypotheses)), sum(map(len, references))
    logarithms = []
    for n in range(1, max_n + 1):
        right = total = 0
        for hypothesis, reference in zip(hypotheses, references):
            found, known = ngrams(hypothesis, n), set(ngrams(reference, n))
            right += sum(gram in known for gram in found)
            total += len(found)
        if right == 0:
            return 0.0
        logarithms.append(math.log(right / total))
    penalty = min(0, 1 - wanted / written)
    return 100 * math.exp(penalty + sum(logarithms) / max_n)
