"""Exercises as homework: student editions, assignments, grades.

`make exercises`, `make homework CHAPTER=01` and
`make grade CHAPTER=01 SUBMISSIONS=folder` call this; tools/grading.py does the
work with nbgrader.

Grading runs the students' code with your rights, as nbgrader does: use a
machine or an account where that is acceptable.
"""

import argparse
import contextlib
import csv
import os
import pathlib
import shutil
import subprocess
import sys
import time
from typing import NamedTuple

import nbformat

from tools.grading import (
    CELL_TIMEOUT,
    SOLUTIONS,
    HomeworkError,
    course,
    grade_id_of,
)
from tools.notebooks import NOTEBOOKS, ROOT

EXERCISES = NOTEBOOKS / "exercises"
HOMEWORK = ROOT / "homework"
GIVES_AWAY = ("notebooks/solutions/", "tests/", ".ci/", ".github/")


class Grade(NamedTuple):
    """What one submission earned.

    submission: its path inside the folder, without ".ipynb".
    points: dict of points by exercise.
    remarks: list of str, what an instructor should know.
    """

    submission: str
    points: dict
    remarks: list

    @property
    def total(self):
        return sum(self.points.values())


def chapter_names():
    """Names of the notebooks with exercises, in reading order."""
    return sorted(path.stem for path in SOLUTIONS.glob("*.ipynb"))


def chapter_name(chapter):
    """Name of a chapter's notebook, such as "01_lstm_classifier".

    Raises:
        HomeworkError: there is no such chapter; the message lists them.
    """
    names = chapter_names()
    for name in names:
        if chapter and name.split("_")[0] == f"{chapter:0>2}":
            return name
    numbers = ", ".join(name.split("_")[0] for name in names)
    raise HomeworkError(f"There are no exercises for chapter {chapter!r}. "
                        f"Say CHAPTER= and one of: {numbers}")


def student_edition(name):
    """The notebook that a student opens, as text.

    Its stubs and checks may raise: a notebook that nobody has solved yet
    passes `pytest --nbval` all the same.
    """
    with course(name) as made:
        notebook = made.release
    for cell in notebook.cells:
        if grade_id_of(cell):
            cell.metadata["tags"] = ["raises-exception"]
    return nbformat.writes(notebook) + "\n"


def write_exercises():
    """Write notebooks/exercises anew from notebooks/solutions."""
    EXERCISES.mkdir(exist_ok=True)
    for name in chapter_names():
        path = EXERCISES / f"{name}.ipynb"
        path.write_text(student_edition(name), encoding="utf-8", newline="\n")
        print(path.relative_to(ROOT))


def assign(chapter):
    """Write the assignment of a chapter into homework/, to be handed out."""
    name = chapter_name(chapter)
    text = student_edition(name)
    path = HOMEWORK / name / f"{name}.ipynb"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise HomeworkError(f"{path.relative_to(ROOT)} exists and was changed "
                            "since it was made. Move it away first.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    print(f"Hand out {path.relative_to(ROOT)}. When the notebooks are back, "
          f"put them into one folder, each under its student's name, and run "
          f"make grade CHAPTER={chapter} SUBMISSIONS=that-folder")


def handout(folder):
    """Copy the course without what gives answers away.

    Args:
        folder: a path where nothing is yet.

    Raises:
        HomeworkError: something stands there, or this is no git repository.
    """
    if not folder:
        raise HomeworkError("Say FOLDER= and where the copy is to stand.")
    folder = pathlib.Path(folder)
    if folder.exists():
        raise HomeworkError(f"{folder} exists. Name another FOLDER=.")
    try:
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT,
                                 check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise HomeworkError("This is no clone of the repository, so it cannot "
                            "be told what belongs to the course.") from error
    for name in tracked.decode().split("\0")[:-1]:
        if not name.startswith(GIVES_AWAY):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    print(f"Written: {folder}")


def submitted_files(folder):
    """What was handed in, as paths, in alphabetical order.

    Hidden files, checkpoints and our own tables are left out; what cannot be
    read (a broken link, a folder without rights, an empty one with the name of
    a notebook) is not, so that its student gets a line.

    Raises:
        HomeworkError: there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise HomeworkError(f"{folder} is not a folder. Say SUBMISSIONS= and "
                            "the folder that holds the notebooks.")
    files = [path for path in sorted(folder.rglob("*"))
             if (path.is_file() or is_unreadable(path))
             and not any(part.startswith(".")
                         for part in path.relative_to(folder).parts)
             and not (path.parent == folder and path.suffix == ".csv"
                      and path.name.startswith("grades"))]
    if not files:
        raise HomeworkError(f"{folder} holds no submissions.")
    return files


def is_unreadable(path):
    """Whether somebody handed something in that holds no file for us."""
    if not path.is_dir():
        return path.is_symlink()
    try:
        return path.suffix == ".ipynb" and not any(path.iterdir())
    except OSError:
        return True


def grade(chapter, folder, timeout=CELL_TIMEOUT):
    """Grade every file in a folder and write its table, grades.csv.

    Args:
        chapter: number, such as "01".
        folder: path of the submissions; the table is written into it, and a
            table that is there already is kept under another name.
        timeout: seconds after which a cell is stopped.

    Returns:
        List of Grade, one a file.

    Raises:
        HomeworkError: no such chapter, no such folder, or an empty one.
    """
    name = chapter_name(chapter)
    folder = pathlib.Path(folder)
    files = submitted_files(folder)
    table = folder / "grades.csv"
    grades = []
    try:
        keep_old_table(table)
        table.touch()
    except OSError as error:
        raise HomeworkError(
            f"{table} cannot be written ({error.strerror}). Close it, or make "
            "the folder writable.") from error
    with course(name, timeout) as made:
        refuse_if_solutions_fail(made)
        for number, path in enumerate(files, start=1):
            submission = path.relative_to(folder).as_posix()
            points, remarks = made.grade(path, f"s{number}")
            result = Grade(submission.removesuffix(".ipynb"), points, remarks)
            grades.append(result)
            # Now, so that it stays whatever comes.
            table = write_table(table, made.max_points, grades)
            print(f"[{number}/{len(files)}] {result.submission}: "
                  f"{result.total:g} of {sum(made.max_points.values()):g}"
                  + "".join(f"; {remark}" for remark in remarks), flush=True)
    print(f"Written: {table}")
    return grades


def refuse_if_solutions_fail(made):
    """Grade the course's own solutions: if this environment is broken, it is
    not the students who pay.

    Raises:
        HomeworkError: they do not earn all points.
    """
    points, remarks = made.grade(SOLUTIONS / f"{made.name}.ipynb", "solutions")
    if points != made.max_points:
        raise HomeworkError(
            "The course's own solutions do not earn all points here, so no "
            "one was graded: " + "; ".join(remarks) + ". Is the environment "
            "whole? `make clean`, then the same command, makes it anew.")


def keep_old_table(table):
    """Rename a table of an earlier run, by the time it was written."""
    if table.exists():
        written = time.strftime("%Y-%m-%d-%H%M%S",
                                time.localtime(table.stat().st_mtime))
        table.rename(table.with_name(f"grades-{written}.csv"))


def write_table(table, max_points, grades):
    """Write the grades as CSV; return the path that was written.

    It is there as a whole or not at all, and has a byte-order mark, so that
    spreadsheets show Chinese names. If the table is open in one that locks it,
    the grades go beside it.
    """
    rows = [["submission", *max_points, "total", "remarks"],
            ["(maximum)", *max_points.values(), sum(max_points.values()), ""]]
    for result in grades:
        rows.append([no_formula(result.submission), *result.points.values(),
                     result.total, no_formula("; ".join(result.remarks))])
    unfinished = table.with_name(f".{table.name}.unfinished")
    try:
        with open(unfinished, "w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows(rows)
        try:
            os.replace(unfinished, table)
        except PermissionError:
            table = table.with_name(f"grades-{time.time():.0f}.csv")
            os.replace(unfinished, table)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise HomeworkError(
            f"{table} cannot be written ({error.strerror}). What it holds is "
            "complete; make room and grade the others again.") from error
    return table


def no_formula(text):
    """A text that no spreadsheet computes, without control characters."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return "'" + text if text.startswith(("=", "+", "-", "@")) else text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("exercises", help="write the student editions")
    commands.add_parser("handout", help="copy the course without solutions"
                        ).add_argument("--folder", required=True)
    for command, help_text in (("assign", "write what is handed out"),
                               ("grade", "grade what was handed in")):
        commands.add_parser(command, help=help_text).add_argument(
            "--chapter", required=True)
    commands.choices["grade"].add_argument("--submissions", required=True)
    arguments = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")  # names in any script
    try:
        if arguments.command == "exercises":
            write_exercises()
        elif arguments.command == "handout":
            handout(arguments.folder)
        elif arguments.command == "assign":
            assign(arguments.chapter)
        else:
            if not arguments.submissions:
                raise HomeworkError("Say SUBMISSIONS= and the folder that "
                                    "holds the notebooks.")
            grade(arguments.chapter, arguments.submissions)
    except HomeworkError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped. What was graded before stands in the table.")


if __name__ == "__main__":
    main()
