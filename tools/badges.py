"""Point the course to another repository: every badge and setup cell.

    python tools/badges.py --repository owner/name

The address stands in one place, pyproject.toml, and is repeated where a
notebook must know it by itself. This writes it everywhere. It needs nothing
but Python.
"""

import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SETTING = re.compile(r'(?m)^repository = "(.+)"$')
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/(?!\.+$|.*\.git$)[\w.-]+",
                  re.ASCII)


def repository(root=ROOT):
    """The course's address on GitHub, "owner/name"."""
    name, = SETTING.findall((root / "pyproject.toml").read_text("utf-8"))
    return name


def files(root=ROOT):
    """Every file that repeats the address."""
    return [root / "CITATION.cff", root / "README.md", *(
        path for folder in ("", "exercises", "solutions") for path in
        sorted((root / "notebooks" / folder).glob("[0-9][0-9]_*.ipynb")))]


def move(new, root=ROOT):
    """Write another address into pyproject.toml and each of the files.

    Args:
        new: "owner/name".
        root: folder of the course.

    Returns:
        Number of files that have changed.

    Raises:
        ValueError: new is no such name; nothing has been written.
    """
    if not NAME.fullmatch(new):
        raise ValueError(f"a repository is named owner/name, not {new!r}")
    old, changed = repository(root), 0
    address = re.compile(rf"(github(?:\.com)?/){re.escape(old)}(?![\w-])")
    for path in files(root):
        text = path.read_text("utf-8")
        moved = address.sub(rf"\g<1>{new}", text)
        if moved != text:
            path.write_text(moved, "utf-8", newline="\n")
            changed += 1
    # Last: if something fails before, the same call does the rest.
    path = root / "pyproject.toml"
    path.write_text(SETTING.sub(f'repository = "{new}"',
                                path.read_text("utf-8")), "utf-8",
                    newline="\n")
    return changed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repository", required=True, metavar="OWNER/NAME")
    new = parser.parse_args().repository
    try:
        changed = move(new)
    except ValueError as error:
        sys.exit(f"{error}")
    print(f"{changed} files now point to {new}.")


if __name__ == "__main__":
    main()
