"""What no longer fits when Colab has moved its versions.

    .venv/bin/python -m tools.colab_drift FILE

FILE is what `!pip freeze` prints in a fresh Colab notebook. Compares it with
the ranges of requirements.txt (but for its last part, which runs and grades
notebooks: Colab has its own) and with requirements-colab.txt.
"""

import argparse
import pathlib
import sys

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tools.notebooks import ROOT

LAST_PART = "# Notebooks:"


def requirements(text):
    """Dict of name → Requirement of a requirements file's text."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    found = [Requirement(line) for line in lines if line]
    return {canonicalize_name(entry.name): entry for entry in found}


def frozen(text):
    """Dict of name → Version of what `pip freeze` printed.

    A line that is not `name==version`, such as `name @ address`, is left out.

    Raises:
        ValueError: no line is.
    """
    versions = {}
    for line in text.splitlines():
        name, equal, version = line.partition("==")
        try:
            if equal:
                versions[canonicalize_name(name.strip())] = Version(
                    version.partition(";")[0].strip())
        except InvalidVersion:
            continue
    if not versions:
        raise ValueError("not a line of it reads name==version: is this what "
                         "`pip freeze` printed?")
    return versions


def drift(versions, needed, fetched):
    """What does not fit.

    Args:
        versions: dict of name → Version, what Colab has.
        needed: dict of name → Requirement, what the chapters import.
        fetched: the same, what the setup cell installs on Colab.

    Returns:
        List of sentences, one for each package.
    """
    problems = []
    for name, entry in needed.items():
        there = versions.get(name)
        if there is None and name not in fetched:
            problems.append(f"{name}: no longer there; add it to "
                            "requirements-colab.txt")
        elif (there is not None
              and not entry.specifier.contains(there, prereleases=True)):
            problems.append(f"{name} {there}: requirements.txt says "
                            f"{entry.specifier}; test the course with it and "
                            "widen the range")
    for name, entry in fetched.items():
        if name not in needed:
            problems.append(f"{name}: in requirements-colab.txt, though not "
                            "in requirements.txt")
        elif entry.specifier != needed[name].specifier:
            problems.append(f"{name}: requirements-colab.txt says "
                            f"{entry.specifier}, requirements.txt "
                            f"{needed[name].specifier}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=pathlib.Path)
    path = parser.parse_args().file
    try:
        versions = frozen(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        sys.exit(f"{path}: {error}")
    text = (ROOT / "requirements.txt").read_text("utf-8")
    needed = requirements(text.partition(LAST_PART)[0])
    fetched = requirements(
        (ROOT / "requirements-colab.txt").read_text("utf-8"))
    problems = drift(versions, needed, fetched)
    print(*problems, sep="\n", end="\n" if problems else "")
    if problems:
        sys.exit(f"{len(problems)} of {len(needed)} packages do not fit.")
    print(f"All {len(needed)} packages fit: {len(fetched)} are fetched, the "
          "others are there.")


if __name__ == "__main__":
    main()
