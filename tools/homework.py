"""Exercises as homework: student editions, assignments, grades.

`make exercises`, `make homework CHAPTER=01` and
`make grade CHAPTER=01 SUBMISSIONS=folder` call this. nbgrader does the work,
in a temporary course folder: it takes the solutions out of the notebooks in
notebooks/solutions, puts the hidden tests back into what students hand in,
runs it and counts the points.

Grading runs the students' code with your rights, as nbgrader does: use a
machine or an account where that is acceptable.
"""

import argparse
import asyncio
import contextlib
import copy
import csv
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time
import warnings
from typing import NamedTuple
from unittest import mock

import nbformat
from nbgrader.apps import NbGraderAPI
from nbgrader.utils import is_grade
from traitlets.config import Config

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOLUTIONS = ROOT / "notebooks" / "solutions"
EXERCISES = ROOT / "notebooks" / "exercises"
HOMEWORK = ROOT / "homework"

CELL_TIMEOUT = 30  # seconds; a whole notebook of solutions takes under 20


class HomeworkError(RuntimeError):
    """Something that the caller can mend; the message says how."""


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


class Course:
    """A temporary nbgrader course with one assignment.

    release: the student edition, as a notebook.
    max_points: dict of points by exercise, in the order of the notebook.
    """

    def __init__(self, folder, name, timeout):
        self.folder, self.name = pathlib.Path(folder), name
        config = Config()
        config.CourseDirectory.root = str(folder)
        config.CourseDirectory.course_id = "course"
        config.Execute.timeout = timeout
        config.Execute.raise_on_iopub_timeout = False
        config.Execute.extra_arguments = [
            "--HistoryManager.hist_file=:memory:", "--log-level=ERROR"]
        self.api = NbGraderAPI(config=config)
        source = self.folder / "source" / name
        source.mkdir(parents=True)
        shutil.copy(SOLUTIONS / f"{name}.ipynb", source)
        result = self.api.generate_assignment(name)
        if not result["success"]:
            raise HomeworkError(f"nbgrader cannot use {name}.ipynb: "
                                + (result.get("error") or result["log"]))
        self.release = nbformat.read(
            self.folder / "release" / name / f"{name}.ipynb", as_version=4)
        self.max_points = {
            exercise_of(cell): float(cell.metadata.nbgrader.points)
            for cell in self.release.cells if is_grade(cell)}

    def grade(self, path, student):
        """Run one submission; return (points, remarks).

        Args:
            path: the file that was handed in.
            student: any id that is unique in this course.

        Raises:
            KeyboardInterrupt: somebody stopped the grading.
        """
        nothing = dict.fromkeys(self.max_points, 0.0)
        try:
            notebook, remarks = self._complete(path)
            submitted = self.folder / "submitted" / student / self.name
            submitted.mkdir(parents=True)
            nbformat.write(notebook, submitted / f"{self.name}.ipynb")
            result = self.api.autograde(self.name, student)
            if result["success"]:
                points, errors = self._results(student)
                return points, remarks + errors
        except HomeworkError as error:
            return nothing, [str(error)]
        except Exception as error:  # whatever it is, the others are graded
            return nothing, ["could not be graded: " + _first_line(
                f"{type(error).__name__}: {error}")]
        if (result.get("error") or "").rstrip().endswith("KeyboardInterrupt"):
            raise KeyboardInterrupt
        return nothing, remarks + [_why_it_failed(result)]

    def _complete(self, path):
        """The submitted notebook with the course's cells as they were.

        What students do to cells by accident, nbgrader answers with an error:
        deleted cells are put back, copies and cells of other chapters become
        ordinary ones, and types and metadata are those that we handed out.
        """
        notebook = _read(path)
        asked = {_grade_id(cell): cell for cell in self.release.cells
                 if _grade_id(cell)}
        have = set()
        for cell in reversed(notebook.cells):  # of copies, the last counts
            grade_id = _grade_id(cell)
            cell.metadata.pop("nbgrader", None)
            cell.metadata.pop("tags", None)  # one could skip the execution
            if grade_id in asked and grade_id not in have:
                have.add(grade_id)
                _restore(cell, asked[grade_id])
        if not have:
            raise HomeworkError(f"none of the cells of {self.name} are in it: "
                                "another chapter, or not the course's file")
        missing = [grade_id for grade_id in asked if grade_id not in have]
        notebook.cells += [copy.deepcopy(asked[name]) for name in missing]
        return notebook, [f"cell deleted: {name}" for name in missing]

    def _results(self, student):
        """Points by exercise, and why some were lost.

        Full points if the checks ran to their end. (nbgrader's own count also
        takes points for a warning, and gives some for a value displayed.)
        """
        graded = nbformat.read(self.folder / "autograded" / student / self.name
                               / f"{self.name}.ipynb", as_version=4)
        points, remarks = dict.fromkeys(self.max_points, 0.0), []
        for cell in filter(is_grade, graded.cells):
            exercise = exercise_of(cell)
            errors = [output for output in cell.outputs
                      if output.output_type == "error"]
            if errors:
                remarks.append(f"{exercise}: {_explain(errors[0])}")
            elif cell.execution_count is None:
                remarks.append(f"{exercise}: its checks were not run")
            else:
                points[exercise] = self.max_points[exercise]
        return points, remarks


def _read(path):
    """A submitted file as a notebook.

    Raises:
        HomeworkError: it is none.
    """
    if path.suffix.lower() != ".ipynb":
        raise HomeworkError("not a notebook: hand in the .ipynb file")
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8-sig"),
                                  as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat raises many kinds
        raise HomeworkError("not a readable notebook: "
                            + _first_line(error)) from error
    return notebook


def _restore(cell, original):
    """Give a submitted cell the type and metadata of the one handed out."""
    cell.pop("attachments", None)
    cell.cell_type = "code"
    cell.outputs, cell.execution_count = [], None
    cell.metadata["nbgrader"] = copy.deepcopy(original.metadata.nbgrader)


def exercise_of(cell):
    """Name of the exercise that a cell of checks belongs to."""
    return _grade_id(cell).removeprefix("check-")


def _grade_id(cell):
    metadata = cell.metadata.get("nbgrader")
    grade_id = metadata.get("grade_id") if isinstance(metadata, dict) else None
    return grade_id if isinstance(grade_id, str) else None


def _first_line(text):
    line = (str(text).strip() or "no message").splitlines()[0]
    return line if len(line) <= 160 else line[:159] + "…"


def _explain(error):
    if error.ename == "NotImplementedError":
        return "not solved"
    if error.ename in ("CellTimeoutError", "KeyboardInterrupt"):
        return "stopped, it ran too long"
    return _first_line(f"{error.ename}: {error.evalue}")


def _why_it_failed(result):
    log = result.get("log") or ""
    if "DeadKernelError" in log:
        return "it ends its own kernel (exit, or too much memory)"
    errors = re.findall(r"^\s*(\w[\w.]*(?:Error|Exception): .*)", log,
                        re.MULTILINE)
    return "could not be run: " + _first_line(
        errors[-1] if errors else result.get("error"))


@contextlib.contextmanager
def course(name, timeout=CELL_TIMEOUT):
    """A Course in a temporary folder, removed afterwards."""
    programs = os.path.dirname(sys.executable)
    environment = {
        "PATH": programs + os.pathsep + os.environ["PATH"],  # for alembic
        "PYTHONPATH": str(ROOT),  # for lib
        "PYTHONOPTIMIZE": "",     # or asserts would not be run
    }
    # nbclient would take Ctrl-C for itself and go on with the next student.
    no_handler = mock.patch.object(
        asyncio.SelectorEventLoop, "add_signal_handler",
        side_effect=RuntimeError("Ctrl-C is ours"))
    with (tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
          mock.patch.dict(os.environ, environment), no_handler,
          warnings.catch_warnings()):
        warnings.filterwarnings("ignore", "Object of type <Submitted")
        yield Course(folder, name, timeout)


def chapter_name(chapter):
    """Name of a chapter's notebook, such as "01_lstm_classifier".

    Raises:
        HomeworkError: there is no such chapter; the message lists them.
    """
    names = sorted(path.stem for path in SOLUTIONS.glob("*.ipynb"))
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
        if _grade_id(cell):
            cell.metadata["tags"] = ["raises-exception"]
    return nbformat.writes(notebook) + "\n"


def write_exercises():
    """Write notebooks/exercises anew from notebooks/solutions."""
    EXERCISES.mkdir(exist_ok=True)
    names = sorted(path.stem for path in SOLUTIONS.glob("*.ipynb"))
    for name in names:
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


def submitted_files(folder):
    """Files in a folder of submissions, as paths, in alphabetical order.

    Hidden files, checkpoints and our own tables are left out.

    Raises:
        HomeworkError: there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise HomeworkError(f"{folder} is not a folder. Say SUBMISSIONS= and "
                            "the folder that holds the notebooks.")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()
             and not any(part.startswith(".")
                         for part in path.relative_to(folder).parts)
             and not (path.parent == folder and path.suffix == ".csv"
                      and path.name.startswith("grades"))]
    if not files:
        raise HomeworkError(f"{folder} holds no submissions.")
    return files


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
        for number, path in enumerate(files, start=1):
            submission = path.relative_to(folder).as_posix()
            points, remarks = made.grade(path, f"s{number}")
            result = Grade(submission.removesuffix(".ipynb"), points, remarks)
            grades.append(result)
            table = write_table(table, grades)  # now: whatever comes, it stays
            print(f"[{number}/{len(files)}] {result.submission}: "
                  f"{result.total:g} of {sum(made.max_points.values()):g}"
                  + "".join(f"; {remark}" for remark in remarks), flush=True)
    print(f"Written: {table}")
    return grades


def keep_old_table(table):
    """Rename a table of an earlier run, by the time it was written."""
    if table.exists():
        written = time.strftime("%Y-%m-%d-%H%M%S",
                                time.localtime(table.stat().st_mtime))
        table.rename(table.with_name(f"grades-{written}.csv"))


def write_table(table, grades):
    """Write the grades as CSV; return the path that was written.

    With a byte-order mark, so that spreadsheets show Chinese names. If the
    table is open in one that locks it, the grades go beside it.
    """
    try:
        table.touch()
    except PermissionError:
        table = table.with_name(f"grades-{time.time():.0f}.csv")
    with open(table, "w", encoding="utf-8-sig", newline="",
              errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(["submission", *grades[0].points, "total", "remarks"])
        for result in grades:
            writer.writerow([result.submission, *result.points.values(),
                             result.total, "; ".join(result.remarks)])
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("exercises", help="write the student editions")
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
