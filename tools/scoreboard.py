"""The scoreboard in the README: which idea bought how much.

`make scoreboard` reads the chapters' stored outputs. A model has a row if its
chapter prints two lines with the same name:

    weights, LSTM: 4,426,177
    test accuracy, LSTM ≈ 0.8499 (at least 0.83)
"""

import re
from typing import NamedTuple

from tools.notebooks import NOTEBOOKS, ROOT, code_cells, output_text

README = ROOT / "README.md"
BEGIN, END = "<!-- scoreboard -->", "<!-- end of scoreboard -->"
WEIGHTS = re.compile(r"^weights, (.+): ([\d,]+)$", re.MULTILINE)
ACCURACY = re.compile(r"^test accuracy, (.+) ≈ (\d\.\d{4}) \(", re.MULTILINE)


class Row(NamedTuple):
    """A model of the scoreboard: its name, its chapter's file name without
    the ending, its number of weights as printed, its test accuracy."""

    model: str
    chapter: str
    weights: str
    accuracy: float


def rows():
    """Every model that the chapters measure, in reading order.

    Raises:
        ValueError: a chapter prints a model's weights and not its accuracy.
    """
    found = []
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        printed = "\n".join(output_text(cell.outputs)
                            for cell in code_cells(path))
        accuracies = dict(ACCURACY.findall(printed))
        for model, weights in WEIGHTS.findall(printed):
            if model not in accuracies:
                raise ValueError(f"{path.name} prints the weights of "
                                 f"{model!r} but no test accuracy")
            found.append(Row(model, path.stem, weights,
                             float(accuracies[model])))
    return found


def table():
    """The scoreboard as Markdown."""
    lines = ["| model | chapter | weights | test accuracy |",
             "|---|---|---:|---:|"]
    lines += [f"| {row.model} | [{row.chapter[:2]}](notebooks/{row.chapter}"
              f".ipynb) | {row.weights} | {row.accuracy:.3f} |"
              for row in rows()]
    return "\n".join(lines)


def with_table(readme):
    """A README's text with the scoreboard of today between its two marks."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the README has lost its marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main():
    README.write_text(with_table(README.read_text("utf-8")), "utf-8",
                      newline="\n")
    print(table())


if __name__ == "__main__":
    main()
