"""Chapter 03's skip-gram beside gensim's: words of text a second, and how far
the neighbours agree.

What runs is the chapter's own code, its cells from the model to the comparison
of the neighbours, five times. Our seconds include compiling the step, gensim's
counting the words; both use two threads. How far two seeds of gensim agree
says what can be expected.
"""

import contextlib
import io
import statistics

from benchmarks.timing import progress
from tools.notebooks import chapter_notebooks, code_cells

REPEATS = 5
FIRST, LAST = "WIDTH, NEGATIVES = ", "def nearest_ten("


def measure():
    """Yield a row for each program."""
    cells = sources()
    first, last = (find(cells, text) for text in (FIRST, LAST))
    names = {"__name__": "chapter"}
    run(cells[:first], names)
    names["measured"] = lambda *arguments, **bounds: None  # a time is no test
    ours, gensims, agreement, by_seed = [], [], [], []
    for turn in range(1, REPEATS + 1):
        progress(f"training {turn} of {REPEATS}")
        run(cells[first:last + 1], names)
        ours.append(names["text_words"] / names["our_seconds"])
        gensims.append(names["text_words"] / names["gensim_seconds"])
        agreement.append(names["overlap"]("ours", "gensim"))
        by_seed.append(names["overlap"]("second", "gensim"))
    progress("")
    ours, gensims = statistics.median(ours), statistics.median(gensims)
    yield {"program": "ours", "words/s": round(ours),
           "neighbours shared with gensim": shared(agreement),
           "our speed/this": 1.0}
    yield {"program": "gensim (shared: by another seed)",
           "words/s": round(gensims),
           "neighbours shared with gensim": shared(by_seed),
           "our speed/this": round(ours / gensims, 2)}


def sources():
    """The chapter's code cells, a list of str."""
    return [cell.source for cell in code_cells(chapter_notebooks("03")[0])]


def find(cells, text):
    """Index of the one cell that holds a text.

    Raises:
        ValueError: no cell does, or several do.
    """
    found = [i for i, cell in enumerate(cells) if text in cell]
    if len(found) != 1:
        raise ValueError(f"{len(found)} cells of chapter 03 hold {text!r}; "
                         "benchmarks/word2vec.py looks for one")
    return found[0]


def run(cells, names):
    """Execute cells, and drop what they print."""
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells:
            exec(cell, names)


def shared(shares):
    return round(statistics.median(shares), 3)
