"""From text to ids and back: tokens, a vocabulary, padded batches.

Chapter 01 builds these step by step.
"""

import collections
import json
import logging
import os
import pathlib
import tempfile
import unicodedata
import warnings

import keras

with warnings.catch_warnings():  # of what new versions of Python dislike in it
    warnings.simplefilter("ignore")
    import jieba

jieba.setLogLevel(logging.WARNING)  # it reports its start-up on stderr
# It keeps its dictionary in the folder for temporary files, where another
# user's stands in the way: each has one of his own.
if hasattr(os, "getuid"):
    jieba.dt.tmp_dir = os.path.join(tempfile.gettempdir(),
                                    f"jieba-{os.getuid()}")
    os.makedirs(jieba.dt.tmp_dir, exist_ok=True)

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


SPLITTERS = {split.__name__: split for split in (characters, pairs, words)}


class Vocabulary:
    """A fixed list of tokens, each with an id.

    Id 0 is the padding "<pad>", id 1 stands for every unknown token "<unk>";
    then come the reserved tokens, and then those of the texts.

    >>> vocabulary = Vocabulary.from_texts(["好书", "好"], characters)
    >>> vocabulary.encode_batch(["好!", "书"], length=3)
    array([[2, 1, 0],
           [3, 0, 0]], dtype=int32)
    """

    def __init__(self, tokens, split=None, reserved_tokens=()):
        """
        Args:
            tokens: list of distinct str.
            split: function from a text to its tokens, such as `characters`;
                without it, texts must be given as lists of tokens.
            reserved_tokens: list of str such as "<end>"; the first gets id 2.

        Raises:
            ValueError: a token is no str or occurs twice, or is a special one.
        """
        self.split, self.reserved_tokens = split, list(reserved_tokens)
        self.tokens = SPECIAL_TOKENS + self.reserved_tokens + list(tokens)
        if not all(isinstance(token, str) for token in self.tokens):
            raise ValueError("every token must be a str")
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        if len(self.ids) != len(self.tokens):
            raise ValueError("every token may occur only once, and "
                             f"{SPECIAL_TOKENS} are added by Vocabulary")

    @classmethod
    def from_texts(cls, texts, split=None, min_count=1, reserved_tokens=()):
        """Collect the tokens that occur at least min_count times.

        Args:
            texts: iterable of str or, without split, of lists of tokens.
            split, reserved_tokens: as in Vocabulary().
            min_count: rarer tokens are left out and become "<unk>".

        Returns:
            A Vocabulary, most frequent token first, equal counts in
            alphabetical order, so that it never depends on the machine.

        Raises:
            TypeError: a text was given, and nothing that cuts it into tokens.
        """
        counts = collections.Counter()
        for text in texts:
            counts.update(_tokens_of(text, split))
        for token in [*SPECIAL_TOKENS, *reserved_tokens]:
            del counts[token]
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return cls([token for token, n in ranked if n >= min_count], split,
                   reserved_tokens)

    def __len__(self):
        return len(self.tokens)

    def encode(self, text):
        """Ids of a text (str, or list of its tokens), a list of int."""
        return [self.ids.get(token, UNKNOWN_ID)
                for token in _tokens_of(text, self.split)]

    def decode(self, ids):
        """Tokens of a sequence of ids, as a list of str, without padding.

        Raises:
            ValueError: an id that no token has.
        """
        ids = list(ids)
        unknown = [i for i in ids if not 0 <= i < len(self.tokens)]
        if unknown:
            raise ValueError(f"no token has id {unknown[0]}: the vocabulary "
                             f"has the ids 0 to {len(self.tokens) - 1}")
        return [self.tokens[i] for i in ids if i != PADDING_ID]

    def encode_batch(self, texts, length):
        """Ids of several texts in one array.

        Args:
            texts: iterable of what encode() takes.
            length: number of columns; longer texts lose their end, shorter
                ones are filled with 0 on the right.

        Returns:
            int32 array of shape (batch, length).
        """
        return keras.utils.pad_sequences(
            [self.encode(text) for text in texts], maxlen=length,
            padding="post", truncating="post", value=PADDING_ID)

    def get_config(self):
        """What from_config needs, a dict of JSON values.

        Raises:
            ValueError: split is a function of your own.
        """
        name = self.split and self.split.__name__
        if name is not None and name not in SPLITTERS:
            raise ValueError(f"only {', '.join(SPLITTERS)} can be stored as "
                             f"split, not {name}: leave it out, and give "
                             "texts as lists of tokens")
        return {"tokens": self.tokens[2 + len(self.reserved_tokens):],
                "split": name, "reserved_tokens": self.reserved_tokens}

    @classmethod
    def from_config(cls, config):
        """The vocabulary that get_config() described."""
        split = config["split"] and SPLITTERS[config["split"]]
        return cls(config["tokens"], split, config["reserved_tokens"])

    def save(self, path):
        """Write the vocabulary to a JSON file, or leave the file as it was."""
        path = pathlib.Path(path)
        text = json.dumps(self.get_config(), ensure_ascii=False)
        unfinished = path.with_name(path.name + ".unfinished")
        unfinished.write_bytes(text.encode("utf-8"))
        os.replace(unfinished, path)

    @classmethod
    def load(cls, path):
        """Read a vocabulary that save() wrote.

        Raises:
            ValueError: the file is not a vocabulary of this course.
        """
        path = pathlib.Path(path)
        try:
            return cls.from_config(json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError, KeyError):
            raise ValueError(f"{path.name} is not a vocabulary written by "
                             "Vocabulary.save") from None


def _tokens_of(text, split):
    if not isinstance(text, str):
        return text
    if split is None:
        raise TypeError("a text must be cut into tokens first: "
                        f"characters({text[:9]!r}), or give the vocabulary "
                        "split=characters")
    return split(text)
