"""Cut English into subwords by byte-pair encoding. Chapter 07 builds it."""

import collections
import math
import re

from lib.text import normalise


def english_words(text):
    """Words, each with the space before it, and marks: joined again they are
    the normalised text with one space in front, and one for any white
    space."""
    text = " ".join(["", *normalise(text).split()])
    return re.findall(r" ?[a-z]+| ?[^a-z ]", text)


def merge(pieces, pair):
    """Join the two pieces of a pair wherever they are neighbours."""
    joined = []
    for piece in pieces:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def learn_merges(texts, count):
    """Byte-pair encoding: join the most frequent pair of neighbours, and
    again (Sennrich, Haddow and Birch, 2016).

    Args:
        texts: list of str, English.
        count: number of merges.

    Returns:
        List of pairs of str, in the order in which they were joined; fewer
        than count if there is nothing left to join.
    """
    counts = collections.Counter(w for t in texts for w in english_words(t))
    pieces = {word: list(word) for word, n in counts.items() if n > 1}
    pairs, merges = collections.Counter(), []

    def tally(word, times):
        for pair in zip(pieces[word], pieces[word][1:]):
            pairs[pair] += times * counts[word]

    for word in pieces:
        tally(word, 1)
    while len(merges) < count:
        best = max(pairs, key=lambda pair: (pairs[pair], pair), default=None)
        if not pairs[best]:
            break
        merges.append(best)
        for word in pieces:
            if "".join(best) in word:  # only here may anything change
                tally(word, -1)
                pieces[word] = merge(pieces[word], best)
                tally(word, 1)
    return merges


class Subwords:
    """Cut English text into the pieces that learn_merges found."""

    def __init__(self, merges):
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.known = {}

    def __call__(self, text):
        """The pieces of a text, a list of str; joined they are the text."""
        return [piece for word in english_words(text)
                for piece in self.cut(word)]

    def cut(self, word):
        """Join as training did, the earliest merge first."""
        pieces = self.known.get(word, list(word))
        while len(pieces) > 1 and word not in self.known:
            best = min(zip(pieces, pieces[1:]),
                       key=lambda pair: self.ranks.get(pair, math.inf))
            if best not in self.ranks:
                break
            pieces = merge(pieces, best)
        self.known[word] = pieces
        return pieces
