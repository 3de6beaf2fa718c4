"""Time what the course builds beside what a reader would use instead.

    python -m benchmarks             # every subject
    python -m benchmarks generation  # one

Each subject is a module of this folder with a function `measure()`, which
yields one row after the other, a dict. benchmarks/results.json keeps the last
two runs of each subject, RESULTS.md shows both.
"""

import argparse
import importlib
import itertools
import json
import os
import pathlib
import platform
import subprocess
import sys
from importlib import metadata

from tabulate import tabulate

FOLDER = pathlib.Path(__file__).parent
RESULTS, TABLES = FOLDER / "results.json", FOLDER / "RESULTS.md"
SUBJECTS = ["training", "learning", "generation", "word2vec",
            "encoder_block", "chapters"]
PACKAGES = ["tensorflow", "keras", "torch", "keras-hub", "gensim"]
KEPT = 2  # runs of each subject


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT",
                        help=f"of {', '.join(SUBJECTS)}; all if none is given")
    chosen = parser.parse_args().subjects
    unknown = set(chosen) - set(SUBJECTS)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; "
                     f"there is {', '.join(SUBJECTS)}")
    subjects = chosen or SUBJECTS
    if len(subjects) == 1:
        run(*subjects)
        return
    for subject in subjects:
        # A process each: the memory of one must not count for the next.
        command = [sys.executable, "-m", "benchmarks", subject]
        if subprocess.run(command).returncode:
            sys.exit(f"{subject} failed; the reason stands above")


def run(subject):
    """Measure one subject, store its rows, print its table."""
    os.environ.update(KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="-1")
    where = machine()
    try:
        measure = importlib.import_module(f"benchmarks.{subject}").measure
        rows = list(measure())
    except ModuleNotFoundError as error:
        sys.exit(f"{subject} needs {error.name}, which `make bench` installs "
                 "(KerasHub with Python 3.11 or newer)")
    results = with_run(stored(), subject, rows, where)
    text = tables(results)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    TABLES.write_text(text, "utf-8", newline="\n")
    print(section(subject, results[subject]), end="\n\n", flush=True)


def stored():
    return json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}


def machine():
    """What the figures hang on, a dict of str."""
    return {"processor": f"{processor()}, {os.cpu_count()} cores",
            "system": platform.system(), "Python": platform.python_version(),
            **{name: version(name) for name in PACKAGES}}


def version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def processor():
    """Its name as Linux tells it, elsewhere its kind."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for entry in cpuinfo.read_text().splitlines():
            if entry.startswith("model name"):
                return entry.partition(":")[2].strip()
    return platform.machine()


def with_run(results, subject, rows, machine):
    """The results with one more run of a subject, newest first. Runs on
    another machine, or with other rows, cannot be compared and go."""
    def comparable(run):
        return (run["machine"] == machine
                and list(map(labels, run["rows"])) == list(map(labels, rows)))

    older = [run for run in results.get(subject, []) if comparable(run)]
    runs = [{"machine": machine, "rows": rows}, *older][:KEPT]
    return results | {subject: runs}


def labels(row):
    """What a row is about: its columns, and its values that are text; its
    numbers are measured."""
    return [(column, value if isinstance(value, str) else None)
            for column, value in row.items()]


def tables(results):
    """The text of RESULTS.md."""
    parts = ["# Results of `make bench`",
             "Medians, but for learning and the chapters, which run once; in "
             "brackets the run before. What is timed, and how, is told at the "
             "top of each file in this folder."]
    parts += [section(subject, results[subject]) for subject in SUBJECTS
              if subject in results]
    return "\n\n".join(parts) + "\n"


def section(subject, runs):
    """A subject's heading, machine, table, and how far its runs differ."""
    about = ", ".join(value if name == "processor" else f"{name} {value}"
                      for name, value in runs[0]["machine"].items())
    rows = [{column: " ".join(cell(row[column] for row in same_rows))
             for column in same_rows[0]}
            for same_rows in zip(*(run["rows"] for run in runs))]
    parts = [f"## {subject}", f"{about}."]
    parts += [tabulate(list(table), headers="keys", tablefmt="github",
                       disable_numparse=True)
              for _, table in itertools.groupby(rows, key=list)]
    if len(runs) == KEPT:
        parts.append("Between the two runs: " + ", ".join(
            f"{column} at most {share:.0%}"
            for column, share in differences(runs).items()) + ".")
    return "\n\n".join(parts)


def cell(values):
    """The newest value, and in brackets the one before if it is measured."""
    newest, *older = values
    yield text(newest)
    if not isinstance(newest, str):
        yield from (f"({text(value)})" for value in older)


def text(value):
    return f"{value:,}" if isinstance(value, int) else str(value)


def differences(runs):
    """For each measured column the largest share by which the newest run
    differs from the one before."""
    found = {}
    for newest, older in zip(*(run["rows"] for run in runs)):
        for column, value in newest.items():
            if not isinstance(value, str) and older[column]:
                share = abs(value / older[column] - 1)
                found[column] = max(share, found.get(column, 0))
    return found


if __name__ == "__main__":
    main()
