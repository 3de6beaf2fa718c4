"""From text to ids and back: tokens, a vocabulary, padded batches."""

import collections
import json
import logging
import pathlib
import unicodedata

import jieba
import keras

jieba.setLogLevel(logging.WARNING)  # it reports its start-up on stderr

PADDING_ID = 0
UNKNOWN_ID = 1
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
