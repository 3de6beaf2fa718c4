"""One assignment in a temporary nbgrader course: what `homework` stands on.

nbgrader takes the solutions and hidden tests out of a notebook, puts the
hidden tests back into what students hand in, and runs it. What happens to a
notebook in students' hands is mended first, where nbgrader would give up.
"""

import asyncio
import contextlib
import copy
import functools
import os
import pathlib
import re
import shutil
import sys
import tempfile
import warnings
from unittest import mock

import nbformat
import nbgrader.api
from nbgrader.apps import NbGraderAPI
from nbgrader.utils import is_grade
from traitlets.config import Config

from tools.notebooks import NOTEBOOKS, ROOT

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
        asked = {grade_id_of(cell): cell for cell in self.release.cells
                 if grade_id_of(cell)}
        have = set()
        for cell in reversed(notebook.cells):  # of copies, the last counts
            grade_id = grade_id_of(cell)
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
    return grade_id_of(cell).removeprefix("check-")


def grade_id_of(cell):
    """nbgrader's id of a cell, or None; also for damaged metadata."""
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
    one_version = mock.patch.object(
        nbgrader.api, "get_alembic_version", alembic_version)
    with (tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
          one_version, mock.patch.dict(os.environ, environment), no_handler,
          warnings.catch_warnings()):
        warnings.filterwarnings("ignore", "Object of type <Submitted")
        yield Course(folder, name, timeout)
