"""From text to ids and back: tokens, a vocabulary, padded batches."""

import collections
import json
import logging
import math
import pathlib
import re
import unicodedata

import jieba
import keras
import numpy as np

jieba.setLogLevel(logging.WARNING)  # it reports its start-up on stderr

PADDING_ID = 0
UNKNOWN_ID = 1
MASK_ID = 2  # of a Vocabulary whose first token is "<mask>"
SPECIAL_TOKENS = ["<pad>", "<unk>"]


def normalise(text):
    """Unicode NFKC and lower case: "Ａ" becomes "a", "！" becomes "!"."""
    return unicodedata.normalize("NFKC", text).lower()


def characters(text):
    """The characters of a text without white space, as a list of str."""
    return [c for c in normalise(text) if not c.isspace()]


def pairs(text):
    """Each character with its right neighbour; as many as characters."""
    tokens = characters(text)
    return [a + b for a, b in zip(tokens, tokens[1:] + [""])]


def words(text):
    """The words of a Chinese or mixed text as jieba cuts it, without white
    space, as a list of str."""
    return [w for w in jieba.lcut(normalise(text)) if not w.isspace()]


def english_words(text):
    """Words, each with the space before it, and marks: joined again they are
    the normalised text with one space in front."""
    return re.findall(r" ?[a-z]+| ?[^a-z\s]", " " + normalise(text))


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
        List of pairs of str, in the order in which they were joined.
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
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
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


def both_ends(tokens, length):
    """A list of at most length tokens: of a longer one its two ends."""
    if len(tokens) <= length:
        return tokens
    return tokens[:length // 2] + tokens[length // 2 - length:]


class Vocabulary:
    """A fixed list of tokens, each with an id.

    Id 0 is the padding "<pad>", id 1 stands for every unknown token "<unk>".
    """

    def __init__(self, tokens):
        """
        Args:
            tokens: list of distinct str; the first of them gets id 2.

        Raises:
            ValueError: a token occurs twice or is one of the special ones.
        """
        self.tokens = SPECIAL_TOKENS + list(tokens)
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        if len(self.ids) != len(self.tokens):
            raise ValueError("every token may occur only once, and "
                             f"{SPECIAL_TOKENS} are added by Vocabulary")

    @classmethod
    def from_token_lists(cls, token_lists, min_count=1):
        """Collect the tokens that occur at least min_count times.

        Args:
            token_lists: iterable of lists of str, one list a text.
            min_count: rarer tokens are left out and become "<unk>".

        Returns:
            A Vocabulary, most frequent token first, equal counts in
            alphabetical order, so that it never depends on the machine.

        Raises:
            TypeError: a text was given in place of its tokens.
        """
        counts = collections.Counter()
        for tokens in token_lists:
            if isinstance(tokens, str):
                raise TypeError("a text must be cut into tokens first: "
                                f"characters({tokens[:9]!r}) or words(…)")
            counts.update(tokens)
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return cls(token for token, n in ranked
                   if n >= min_count and token not in SPECIAL_TOKENS)

    def __len__(self):
        return len(self.tokens)

    def encode(self, tokens):
        """Ids of a list of tokens, as a list of int of the same length."""
        return [self.ids.get(token, UNKNOWN_ID) for token in tokens]

    def decode(self, ids):
        """Tokens of a sequence of ids, as a list of str, without padding."""
        return [self.tokens[i] for i in ids if i != PADDING_ID]

    def encode_batch(self, token_lists, length):
        """Ids of several texts in one array.

        Args:
            token_lists: list of lists of str, one list a text.
            length: number of columns; longer texts lose their end, shorter
                ones are filled with 0 on the right.

        Returns:
            int32 array of shape (batch, length).
        """
        return keras.utils.pad_sequences(
            [self.encode(tokens) for tokens in token_lists],
            maxlen=length, padding="post", truncating="post",
            value=PADDING_ID)

    def save(self, path):
        """Write the tokens to a JSON file."""
        pathlib.Path(path).write_text(
            json.dumps(self.tokens, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path):
        """Read a vocabulary that save() wrote.

        Raises:
            ValueError: the file is not a vocabulary of this course.
        """
        tokens = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        if not isinstance(tokens, list) or tokens[:2] != SPECIAL_TOKENS:
            raise ValueError(f"{pathlib.Path(path).name} is not a vocabulary "
                             "written by Vocabulary.save")
        return cls(tokens[2:])


def pair_lookup(vocabulary, pair_vocabulary):
    """A function from ids of characters to ids of the pairs they form.

    Args:
        vocabulary: of characters.
        pair_vocabulary: of str of one or two of these characters, as pairs()
            makes them.

    Returns:
        Function from an int array (batch, length), padded with 0, to an int32
        array of the same shape: each id with its right neighbour. A pair that
        is not in the vocabulary, or holds "<mask>", has id 1.
    """
    size = len(vocabulary)
    codes = np.array([  # the last character of a text is a pair by itself
        sum(vocabulary.ids[c] * factor for c, factor in zip(pair, (size, 1)))
        for pair in pair_vocabulary.tokens[2:]])
    order = np.argsort(codes)
    codes = codes[order]

    def look_up(ids):
        right = np.pad(ids[:, 1:], [(0, 0), (0, 1)])
        code = ids.astype("int64") * size + right
        place = np.searchsorted(codes, code).clip(max=len(codes) - 1)
        known = np.where(codes[place] == code, order[place] + 2, 1)
        return np.where(ids == 0, 0, known).astype("int32")

    return look_up


def mask_tokens(rng, ids, share, vocabulary_size):
    """What a masked language model is shown, and what it is asked.

    Devlin et al., "BERT", 2018, section 3.1: of the chosen tokens 80 % become
    "<mask>", 10 % another token, and 10 % stay as they are.

    Args:
        rng: numpy.random.Generator.
        ids: int array (batch, length), padded with 0.
        share: of a text's tokens that are chosen; at least one is.
        vocabulary_size: number of ids.

    Returns:
        The ids to be shown, (batch, length); the places that are asked for,
        (batch, count) with count = share * length; and the ids that stood
        there, (batch, count), 0 where a shorter text has fewer.
    """
    real = (ids != PADDING_ID) & (ids != MASK_ID)
    count = np.maximum(1, np.round(share * real.sum(axis=1)))
    lots = np.where(real, rng.random(ids.shape), 2.0)
    places = np.argsort(lots, axis=1)[:, :round(share * ids.shape[1])]
    asked = np.arange(places.shape[1]) < count[:, None]
    asked &= np.take_along_axis(real, places, axis=1)
    original = np.take_along_axis(ids, places, axis=1)
    kind = rng.random(places.shape)
    others = rng.integers(MASK_ID + 1, vocabulary_size, places.shape)
    new = np.select([~asked, kind < 0.8, kind < 0.9],
                    [original, MASK_ID, others], original)
    shown = ids.copy()
    np.put_along_axis(shown, places, new, axis=1)
    return shown, places, np.where(asked, original, PADDING_ID)
