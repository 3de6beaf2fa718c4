"""One assignment in a temporary nbgrader course: what `homework` stands on.

nbgrader takes the solutions and hidden tests out of a notebook, puts the
hidden tests back into what students hand in, and runs it. What happens to a
notebook in students' hands is mended first, where nbgrader would give up.
"""

import asyncio
import codecs
import contextlib
import copy
import functools
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile
import textwrap
import warnings
from unittest import mock

import nbformat
import nbgrader.api
from nbformat import v4
from nbgrader.apps import NbGraderAPI
from nbgrader.utils import is_grade
from traitlets.config import Config

from tools.notebooks import NOTEBOOKS, ROOT, own_settings

SOLUTIONS = NOTEBOOKS / "solutions"

# The same for every course; but nbgrader starts a process for it each time,
# which takes longer than all the rest of making a student edition.
alembic_version = functools.cache(nbgrader.api.get_alembic_version)

CELL_TIMEOUT = 30  # seconds; a whole notebook of solutions takes under 20


class HomeworkError(RuntimeError):
    """Something that the caller can mend; the message says how."""


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
            return nothing, ["could not be graded: " + _one_line(
                f"{type(error).__name__}: {error}")]
        if (result.get("error") or "").rstrip().endswith("KeyboardInterrupt"):
            raise KeyboardInterrupt
        return nothing, remarks + [_why_it_failed(result)]

    def _complete(self, path):
        """The submitted notebook with the course's cells as they were.

        What students and editors do to cells by accident, nbgrader answers
        with an error: cells of the course get back their type, their metadata
        and, if they are checks, their text; missing ones are put back, copies
        and cells of other chapters become ordinary ones. Nothing that was
        handed in is lost: what stands in a cell of checks is run before them.
        """
        asked = {grade_id_of(cell): cell for cell in self.release.cells
                 if grade_id_of(cell)}
        cells, remarks, have = [], [], set()
        for grade_id, source in reversed(_read(path)):
            if grade_id not in asked or grade_id in have:
                cells.append(v4.new_code_cell(source))  # of copies, the last
                continue                                # one counts
            have.add(grade_id)
            cell = copy.deepcopy(asked[grade_id])
            cells.append(cell)
            if not is_grade(cell):
                cell.source = source
            elif answer := _beside(source, cell.source):
                remarks.append(f"checks changed: {grade_id}")
                cells.append(v4.new_code_cell(answer))
        if not have:
            raise HomeworkError(f"none of the cells of {self.name} are in it: "
                                "another chapter, or not the course's file")
        missing = [grade_id for grade_id in asked if grade_id not in have]
        for name in missing:
            cell = copy.deepcopy(asked[name])
            if not is_grade(cell):  # the stub would undo an answer elsewhere
                cell.source = "# This cell was missing."
            cells.insert(0, cell)
        notebook = v4.new_notebook(cells=cells[::-1],
                                   metadata=self.release.metadata)
        return notebook, (remarks[::-1]
                          + [f"cell deleted: {name}" for name in missing])

    def _results(self, student):
        """Points by exercise, and why some were lost.

        Full points if the checks ran to their end. (nbgrader's own count also
        takes points for a warning, and gives some for a value displayed.)
        """
        graded = nbformat.read(self.folder / "autograded" / student / self.name
                               / f"{self.name}.ipynb", as_version=4)
        points, remarks = dict.fromkeys(self.max_points, 0.0), []
        errors = {grade_id_of(cell): [output for output in cell.outputs
                                      if output.output_type == "error"]
                  for cell in graded.cells if grade_id_of(cell)}
        for cell in filter(is_grade, graded.cells):
            exercise = exercise_of(cell)
            if errors[grade_id_of(cell)]:
                # An answer that fails itself says more than its checks do.
                first, *_ = errors.get(exercise) or errors[grade_id_of(cell)]
                remarks.append(f"{exercise}: {_explain(first)}")
            elif cell.execution_count is None:
                remarks.append(f"{exercise}: its checks were not run")
            else:
                points[exercise] = self.max_points[exercise]
        return points, remarks


def _read(path):
    """The code cells of a submitted file: list of (grade_id or None, source).

    Editors write what the format does not allow, and leave out what it asks
    for. Nothing of a cell matters here but its text and its id.

    Raises:
        HomeworkError: it is no notebook.
    """
    try:
        content = path.read_bytes()
        two_bytes = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        saved = json.loads(content.decode("utf-16" if two_bytes
                                          else "utf-8-sig"))
        sheets = saved.get("worksheets") or [saved]  # formats before 4
        cells = [cell for sheet in sheets for cell in sheet["cells"]
                 if isinstance(cell, dict)]
    except Exception as error:  # of many kinds; the others are to be graded
        if path.suffix.lower() != ".ipynb":
            raise HomeworkError("not a notebook: hand in the .ipynb "
                                "file") from error
        raise HomeworkError("not a readable notebook: "
                            + _one_line(error)) from error
    return [(grade_id_of(cell), _text(cell)) for cell in cells
            if cell.get("cell_type", "code") == "code" or grade_id_of(cell)]


def _text(cell):
    """The text of a cell, in whatever form it was saved."""
    source = cell.get("source", cell.get("input"))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def _beside(source, checks):
    """What was typed into a cell of checks, without the checks."""
    def tidy(text):
        return "\n".join(map(str.rstrip, text.strip().splitlines()))

    return tidy(source).replace(tidy(checks), "").strip()


def exercise_of(cell):
    """Name of the exercise that a cell of checks belongs to."""
    return grade_id_of(cell).removeprefix("check-")


def grade_id_of(cell):
    """nbgrader's id of a cell, or None; also for damaged metadata."""
    metadata = cell.get("metadata")
    metadata = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = metadata.get("grade_id") if isinstance(metadata, dict) else None
    return grade_id if isinstance(grade_id, str) else None


def _one_line(text):
    """A message without line breaks and control characters, not too long."""
    line = "".join(c if c.isprintable() else " " for c in str(text))
    return textwrap.shorten(line, 300, placeholder=" …") or "no message"


def _explain(error):
    if error.ename == "NotImplementedError":
        return "not solved"
    if error.ename in ("CellTimeoutError", "KeyboardInterrupt"):
        return "stopped, it ran too long"
    where = re.sub(r"\(\S+, (line \d+)\)$", r"(\1)", error.evalue)
    return _one_line(f"{error.ename}: {where}")


def _why_it_failed(result):
    log = result.get("log") or ""
    if "DeadKernelError" in log:
        return "it ends its own kernel (exit, or too much memory)"
    errors = re.findall(r"^\s*(\w[\w.]*(?:Error|Exception): .*)", log,
                        re.MULTILINE)
    return "could not be run: " + _one_line(
        errors[-1] if errors else result.get("error"))


@contextlib.contextmanager
def course(name, timeout=CELL_TIMEOUT):
    """A Course in a temporary folder, removed afterwards."""
    programs = os.path.dirname(sys.executable)
    environment = {
        "PATH": programs + os.pathsep + os.environ["PATH"],  # for alembic
        "PYTHONPATH": str(ROOT),  # for lib
        "PYTHONOPTIMIZE": "",     # or asserts would not be run
        "PYTHONSTARTUP": "",
    }
    # nbclient would take Ctrl-C for itself and go on with the next student.
    no_handler = mock.patch.object(
        asyncio.SelectorEventLoop, "add_signal_handler",
        side_effect=RuntimeError("Ctrl-C is ours"))
    one_version = mock.patch.object(
        nbgrader.api, "get_alembic_version", alembic_version)
    with (tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
          tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty,
          one_version, no_handler, mock.patch.dict(
              os.environ, environment | own_settings(pathlib.Path(empty))),
          warnings.catch_warnings()):
        warnings.filterwarnings("ignore", "Object of type <Submitted")
        yield Course(folder, name, timeout)
