"""Time what the course builds, and write benchmarks/results.json.

    python -m benchmarks             # every subject
    python -m benchmarks generation  # one

Each subject is a module of this folder with a function `measure()`, which
yields one row after the other, a dict; the rows become a table.
"""

import argparse
import importlib
import json
import os
import pathlib
import platform

import keras

FOLDER = pathlib.Path(__file__).parent
RESULTS = FOLDER / "results.json"
SUBJECTS = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT",
                        help=f"of {', '.join(SUBJECTS)}; all if none is given")
    chosen = parser.parse_args().subjects
    unknown = set(chosen) - set(SUBJECTS)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; "
                     f"there is {', '.join(SUBJECTS)}")
    for subject in chosen or SUBJECTS:
        rows = []
        for row in importlib.import_module(f"benchmarks.{subject}").measure():
            if not rows:
                print(f"{subject}\n" + line(row))
            rows.append(row)
            print(line(row.values()), flush=True)
        write(subject, rows)


def line(values):
    return "  ".join(f"{value:>18,}" if isinstance(value, int)
                     else f"{value:>18}" for value in values)


def write(subject, rows):
    """Replace this subject's rows in the file, and keep the others'."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[subject] = {"machine": machine(), "rows": rows}
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def machine():
    backend = keras.backend.backend()
    return {"processor": f"{platform.machine()}, {os.cpu_count()} cores",
            "python": platform.python_version(),
            "keras": keras.__version__,
            backend: importlib.import_module(backend).__version__}


if __name__ == "__main__":
    main()
