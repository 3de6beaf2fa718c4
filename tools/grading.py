"""One chapter's homework: what is handed out, and what a submission earns.

nbgrader takes the solutions and hidden tests out of a notebook. A submission
is put together again from what was handed in and the checks as they were, and
run by tools/one_submission.py in a process of its own, whose death harms
nobody: the cell that caused it is left out, and the others are run again.
"""

import ast
import builtins
import codecs
import contextlib
import copy
import functools
import json
import os
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import warnings
from typing import NamedTuple
from unittest import mock

import nbformat
import nbgrader.api
import psutil
from nbformat import v4
from nbgrader.apps import NbGraderAPI
from nbgrader.utils import is_grade
from traitlets.config import Config

from lib.notebook import NOT_SOLVED
from tools.notebooks import NOTEBOOKS, ROOT, own_settings
from tools.parallel import core_count

SOLUTIONS = NOTEBOOKS / "solutions"
WRONG_ANSWERS = ROOT / "tests" / "wrong_answers"

# The same for every course; but nbgrader starts a process for it each time,
# which takes longer than all the rest of making a student edition.
alembic_version = functools.cache(nbgrader.api.get_alembic_version)

CELL_TIMEOUT = 30  # seconds; a whole notebook of solutions takes under 20
MEMORY = 2.5e9     # bytes that a submission may take, all its processes
DEADLY_CELLS = 5   # so many may end their process before it is given up
STUB = f'# YOUR CODE HERE\nraise NotImplementedError("{NOT_SOLVED}")'
TOTAL_TIME = 600   # seconds for a whole submission, again and again included
MAX_BYTES = 20e6   # of a file that is read
KEPT_VARIABLES = (  # of the instructor's environment; beginnings of names
    "PATH", "LANG", "LC_", "LD_LIBRARY_PATH", "SYSTEMROOT", "KERAS_BACKEND",
    "CUDA_", "TF_", "XLA_", "JAX_", "OMP_", "OPENBLAS_", "MKL_")


class HomeworkError(RuntimeError):
    """Something that the caller can mend; the message says how."""


class NotOfThisChapter(HomeworkError):
    """A notebook, but not of the chapter that is graded."""


class Course:
    """The assignment of a chapter.

    name: of its notebook.
    release: the student edition, as a notebook.
    checks: dict of grade_id → text of a cell of checks, hidden tests included.
    max_points: dict of points by exercise, in the order of the notebook.
    titles: dict of exercise → its heading.
    """

    def __init__(self, name):
        self.name = name
        self.release = student_edition(name)
        graded = [cell for cell in self.release.cells if is_grade(cell)]
        self.max_points = {exercise_of(cell): float(cell.metadata.nbgrader
                                                    .points)
                           for cell in graded}
        self.titles, heading = {}, ""
        for cell in self.release.cells:
            if found := re.findall(r"^## (.+)", cell.source, re.MULTILINE):
                heading = found[-1]
            if is_grade(cell):
                self.titles[exercise_of(cell)] = heading
        solutions = nbformat.read(SOLUTIONS / f"{name}.ipynb", as_version=4)
        self.checks = {grade_id_of(cell): guarded(cell.source)
                       for cell in solutions.cells if is_grade(cell)}
        # One that the checks must refuse: if they do not, somebody has
        # tampered with them.
        self.wrong = {exercise: min(WRONG_ANSWERS.glob(f"{name}/{exercise}.*"))
                      .read_text("utf-8") for exercise in self.max_points}

    def grade(self, path, timeout=CELL_TIMEOUT, hidden=()):
        """Run one submission.

        Args:
            path: the file that was handed in.
            timeout: seconds after which a cell is stopped.
            hidden: paths of folders that the submission must not read.

        Returns:
            Outcome.
        """
        nothing = dict.fromkeys(self.max_points, 0.0)
        try:
            cells, remarks = self.complete(path)
            errors, sealed = run([cell.source for cell in cells]
                                 + self._controls(), timeout, hidden)
        except HomeworkError as error:
            return Outcome(nothing, {}, [str(error)])
        except Exception as error:  # whatever it is, the others are graded
            return Outcome(nothing, {}, [NOT_GRADED + _one_line(
                f"{type(error).__name__}: {error}")])
        points, reasons = self._results(cells, errors)
        for place, exercise in enumerate(self.max_points):
            if points[exercise] and errors.get(
                    len(cells) + 2 * place + 1, NOT_RUN) is None:
                points[exercise] = 0.0
                reasons[exercise] = ("here its checks take a wrong answer for "
                                     "right: look whether they, or what they "
                                     "call, were tampered with")
        return Outcome(points, reasons, remarks, sealed)

    def _controls(self):
        """Cells that are run last: for each exercise a wrong answer, and the
        checks, which must fail."""
        return [source for exercise in self.max_points for source in (
            self.wrong[exercise], self.checks[f"check-{exercise}"])]

    def complete(self, path):
        """The code cells that are to be run, and remarks.

        Cells of the course get back their metadata and, if they are checks,
        their text with the hidden tests; missing ones are put back, copies and
        cells of other chapters become ordinary ones. Nothing that was handed
        in is lost: what stands in a cell of checks is run before them. Checks
        are known by their text where a program has dropped their metadata.

        Raises:
            HomeworkError: it is no notebook, or not of this chapter.
        """
        asked = {grade_id_of(cell): cell for cell in self.release.cells
                 if grade_id_of(cell)}
        by_text = {_tidy(cell.source): grade_id
                   for grade_id, cell in asked.items() if is_grade(cell)}
        cells, remarks, have = [], [], set()
        for grade_id, source in reversed(_read(path)):
            grade_id = grade_id or by_text.get(_tidy(source))
            if grade_id not in asked or grade_id in have:
                cells.append(v4.new_code_cell(source))  # of copies, the last
                continue                                # one counts
            have.add(grade_id)
            cell = copy.deepcopy(asked[grade_id])
            cells.append(cell)
            if not is_grade(cell):
                cell.source = source
                continue
            if answer := _beside(source, cell.source):
                remarks.append(f"checks changed: {grade_id}")
                cells.append(v4.new_code_cell(answer))
            cell.source = self.checks[grade_id]
        if not have:
            raise NotOfThisChapter(
                f"none of the cells of {self.name} are in it: another chapter,"
                " or their ids are lost: copy the answers into the course's "
                "file")
        missing = [grade_id for grade_id in asked if grade_id not in have]
        for name in missing:
            cell = copy.deepcopy(asked[name])
            # The stub would undo an answer that stands elsewhere.
            cell.source = self.checks.get(name, "# This cell was missing.")
            cells.insert(0, cell)
        cells.reverse()
        ids = list(map(grade_id_of, cells))
        for exercise in self.max_points:
            answer, check = map(ids.index, (exercise, f"check-{exercise}"))
            if check < answer:  # checks that were moved above it
                cells.insert(answer, cells.pop(check))
                ids.insert(answer, ids.pop(check))
        return cells, (remarks[::-1]
                             + [f"cell deleted: {name}" for name in missing])

    def _results(self, cells, errors):
        """Points by exercise, and why some were lost.

        Full points if the checks ran to their end.
        """
        points, reasons = dict.fromkeys(self.max_points, 0.0), {}
        errors = {grade_id_of(cell): errors.get(i, NOT_RUN)
                  for i, cell in enumerate(cells) if grade_id_of(cell)}
        for grade_id in filter(self.checks.get, errors):
            exercise = grade_id.removeprefix("check-")
            if errors[grade_id] is None:
                points[exercise] = self.max_points[exercise]
            else:  # an answer that fails itself says more than its checks do
                reasons[exercise] = _explain(
                    *(errors.get(exercise) or errors[grade_id]))
        return points, reasons


class Outcome(NamedTuple):
    """What one submission earned.

    points: dict of points by exercise.
    reasons: dict of exercise → why points were lost.
    remarks: list of str, what else an instructor should know.
    sealed: whether it was kept from reading and writing what is not its own.
    """

    points: dict
    reasons: dict
    remarks: list
    sealed: bool = True

    @property
    def total(self):
        return sum(self.points.values())

    @property
    def text(self):
        """Remarks and reasons in one line."""
        return "; ".join(self.remarks + [
            f"{exercise}: {why}" for exercise, why in self.reasons.items()])

    @property
    def is_final(self):
        """Whether another run, on another machine, would say the same."""
        return not any(text.startswith((NOT_GRADED, STOPPED_AS))
                       for text in (*self.remarks, *self.reasons.values()))


def guarded(source):
    """A cell of checks for which a student's own `max` or `sum` (from numpy
    import *, for example) is none."""
    function = ast.parse(source).body[0]
    used = {node.id for node in ast.walk(function)
            if isinstance(node, ast.Name)}
    names = ", ".join(sorted(used & set(dir(builtins))))
    head, colon, rest = source.partition("():\n")
    first = f"    from builtins import {names}\n" if names else ""
    return head + colon + first + rest


def student_edition(name):
    """A chapter's solutions without solutions and hidden tests, a notebook.

    Raises:
        HomeworkError: nbgrader cannot use them.
    """
    programs = os.path.dirname(sys.executable)
    environment = {"PATH": programs + os.pathsep + os.environ["PATH"]}
    with (tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
          mock.patch.object(nbgrader.api, "get_alembic_version",
                            alembic_version),
          mock.patch.dict(os.environ, environment),  # where alembic is
          warnings.catch_warnings()):
        warnings.filterwarnings("ignore", "Object of type <Submitted")
        config = Config()
        config.CourseDirectory.root = folder
        config.CourseDirectory.course_id = "course"
        config.ClearSolutions.code_stub = {"python": STUB}
        source = pathlib.Path(folder, "source", name)
        source.mkdir(parents=True)
        shutil.copy(SOLUTIONS / f"{name}.ipynb", source)
        result = NbGraderAPI(config=config).generate_assignment(name)
        if not result["success"]:
            raise HomeworkError(f"nbgrader cannot use {name}.ipynb: "
                                + (result.get("error") or result["log"]))
        return nbformat.read(pathlib.Path(folder, "release", name,
                                          f"{name}.ipynb"), as_version=4)


# ---- running

NOT_GRADED, STOPPED_AS = "could not be graded: ", "stopped: "
NOT_RUN = ("NotRun", "its checks were not run: the notebook takes too long, "
           "or ends its process again and again")
LOOK_EVERY = 0.3  # seconds
STOPPED = threading.Event()  # nothing more is to be run


def run(sources, timeout, hidden=()):
    """Execute cells in a process of their own, each one whatever became of
    the one before.

    A cell that ends the process, takes too much memory, or cannot be
    interrupted is replaced by an error, and all others are run again.

    Args:
        sources: list of str.
        timeout: seconds for each.
        hidden: paths of folders that they must not read.

    Returns:
        Dict of number → None, or the name and the message of the cell's
        error; and whether the process was sealed.
    """
    deadly, sealed, deadline = {}, True, time.monotonic() + TOTAL_TIME
    while len(deadly) <= DEADLY_CELLS:
        if STOPPED.is_set():
            raise RuntimeError("stopped")
        events, why = attempt(
            [("raise RuntimeError()" if i in deadly else source)
             for i, source in enumerate(sources)], timeout, hidden, deadline)
        ended = {event["ended"]: event["error"] for event in events
                 if "ended" in event}
        sealed = not any("unsealed" in event for event in events)
        if (any("finished" in event for event in events)
                or time.monotonic() > deadline):
            break
        stuck = [event["stuck"] for event in events if "stuck" in event]
        # A process may end a while after the cell that has caused it.
        begun = [event["begun"] for event in events
                 if event.get("begun", None) not in (None, *deadly)]
        failed = [event["failed"] for event in events if "failed" in event]
        if not begun:
            raise RuntimeError((failed or [why or "its kernel did not start"]
                                )[0])
        if stuck:
            why = "it ran too long, and could not be interrupted"
        deadly[(stuck or begun)[-1]] = (
            "Stopped", why or "it ends its own process")
    blank = {i: None for i, text in enumerate(sources) if not text.strip()}
    return blank | ended | deadly, sealed


def attempt(sources, timeout, hidden, deadline):
    """Run cells until they end, in whatever way, or until the deadline, a
    time of time.monotonic.

    Returns:
        List of the events that tools/one_submission.py tells, and why it was
        stopped, or None.
    """
    job = {"cells": sources, "timeout": timeout,
           "hidden": list(map(str, hidden))}
    with (tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work,
          tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty):
        environment = {name: value for name, value in os.environ.items()
                       if name.startswith(KEPT_VARIABLES)}
        environment |= own_settings(pathlib.Path(empty)) | {
            "PYTHONPATH": str(ROOT), "HOME": os.path.join(work, "tmp"),
            "TMPDIR": os.path.join(work, "tmp"),
            "JUPYTER_RUNTIME_DIR": os.path.join(work, "runtime"),
            # Nothing can be installed, even where the process is not sealed.
            "PIP_NO_INDEX": "1", "PIP_TARGET": os.path.join(work, "tmp"),
            "UV_OFFLINE": "1", "UV_TARGET": os.path.join(work, "tmp")}
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.one_submission"], cwd=work,
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, encoding="utf-8",
            start_new_session=True)
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(job))
                process.stdin.close()
            return watch(process, timeout, deadline)
        finally:
            for one in processes_of(process):
                with contextlib.suppress(psutil.Error):
                    one.kill()
            process.wait()
            process.stdout.close()


def watch(process, timeout, deadline):
    """Collect the events of a process; stop it if it takes too much memory, is
    silent for too long, or runs beyond the deadline."""
    lines = queue.SimpleQueue()

    def read():
        with contextlib.suppress(ValueError):  # it is closed
            for line in process.stdout:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    events, heard, looked = [], time.monotonic(), 0
    while True:
        with contextlib.suppress(queue.Empty):
            line = lines.get(timeout=LOOK_EVERY)
            if line is None:
                return events, None
            heard = time.monotonic()
            with contextlib.suppress(ValueError):
                events.append(json.loads(line))
        now = time.monotonic()
        if now - looked < LOOK_EVERY:
            continue
        looked = now
        if STOPPED.is_set():
            return events, "stopped"
        if memory_of(process) > MEMORY:
            return events, f"it takes more than {MEMORY / 1e9:g} GB of memory"
        if now > deadline:
            return events, "its time was over"
        if now - heard > 2 * timeout + 120:
            return events, "it ran too long, and could not be interrupted"


def processes_of(process):
    """A process and all that it has started, children first."""
    with contextlib.suppress(psutil.Error):
        one = psutil.Process(process.pid)
        return [*one.children(recursive=True), one]
    return []


def worker_count():
    """How many submissions to run at once: a core and the memory for each."""
    free = psutil.virtual_memory().available // MEMORY
    return int(max(1, min(core_count(), free)))


def memory_of(process):
    """Bytes that a process and all that it has started hold."""
    total = 0
    for one in processes_of(process):
        with contextlib.suppress(psutil.Error):
            total += one.memory_info().rss
    return total


# ---- reading

def _read(path):
    """The code cells of a submitted file: list of (grade_id or None, source).

    Editors write what the format does not allow, and leave out what it asks
    for. Nothing of a cell matters here but its text and its id.

    Raises:
        HomeworkError: it is no notebook.
    """
    content = content_of(path)
    try:
        two_bytes = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        saved = json.loads(content.decode("utf-16" if two_bytes
                                          else "utf-8-sig"))
        sheets = saved.get("worksheets") or [saved]  # formats before 4
        cells = [cell for sheet in sheets for cell in sheet["cells"]
                 if isinstance(cell, dict)]
    except Exception as error:  # of many kinds; the others are to be graded
        if path.suffix.lower() != ".ipynb":
            raise HomeworkError("not a notebook: hand in the .ipynb file"
                                + (", unpacked" if path.suffix == ".zip"
                                   else "")) from error
        raise HomeworkError("not a readable notebook: "
                            + _one_line(error)) from error
    return [(grade_id_of(cell), _text(cell)) for cell in cells
            if cell.get("cell_type", "code") == "code" or grade_id_of(cell)]


def content_of(path):
    """The bytes of a submitted file.

    Raises:
        HomeworkError: it is none that can be read in a moment.
    """
    if path.is_symlink() or not path.is_file():
        raise HomeworkError("not a file: a link, for example")
    try:
        if path.stat().st_size <= MAX_BYTES:
            return path.read_bytes()
    except OSError as error:
        raise HomeworkError(f"not a readable notebook: {error.strerror}"
                            ) from error
    raise HomeworkError("not a readable notebook: it has more than "
                        f"{MAX_BYTES / 1e6:g} MB")


def _text(cell):
    """The text of a cell, in whatever form it was saved."""
    source = cell.get("source", cell.get("input"))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def _beside(source, checks):
    """What was typed into a cell of checks, without the checks."""
    return _tidy(source).replace(_tidy(checks), "").strip()


def _tidy(text):
    """A text without white space at the ends of its lines and its own."""
    return "\n".join(map(str.rstrip, text.strip().splitlines()))


def exercise_of(cell):
    """Name of the exercise that a cell of checks belongs to."""
    return grade_id_of(cell).removeprefix("check-")


def grade_id_of(cell):
    """nbgrader's id of a cell, or None; also for damaged metadata."""
    metadata = cell.get("metadata")
    metadata = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = metadata.get("grade_id") if isinstance(metadata, dict) else None
    return grade_id if isinstance(grade_id, str) else None


def printable(text):
    """A text without line breaks and control characters."""
    return "".join(c if c.isprintable() else " " for c in text)


def _one_line(text):
    """A message in one line, not too long."""
    line = printable(str(text))
    return textwrap.shorten(line, 300, placeholder=" …") or "no message"


def _explain(name, message):
    """An error in one line."""
    if name == "NotImplementedError":
        return "not solved in its cell"
    if name in ("CellTimeoutError", "KeyboardInterrupt"):
        return STOPPED_AS + "it ran too long"
    if name == "Stopped":
        return STOPPED_AS + message
    if name == "NotRun":
        return message
    where = re.sub(r"\(\S+, (line \d+)\)$", r"(\1)", message)
    return _one_line(f"{name}: {where}")
