"""Exercises as homework: student editions, assignments, grades.

`make exercises`, `make homework CHAPTER=01` and
`make grade CHAPTER=01 SUBMISSIONS=folder` call this; tools/grading.py does the
work with nbgrader.

Grading runs the students' code with your rights. On Linux it can write to one
folder of its own only, and read neither the solutions nor other submissions;
elsewhere, use a machine or an account where that is acceptable.
"""

import argparse
import concurrent.futures
import contextlib
import csv
import hashlib
import html
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import time

import nbformat
import psutil

from tools import grading
from tools.grading import (
    CELL_TIMEOUT,
    SOLUTIONS,
    Course,
    HomeworkError,
    grade_id_of,
    printable,
)
from tools.notebooks import NOTEBOOKS, ROOT

EXERCISES = NOTEBOOKS / "exercises"
HOMEWORK = ROOT / "homework"
KNOWN = ".graded.json"  # in the folder of submissions: what was graded before
FEEDBACK = "feedback"   # there: the pages
NO_SUBMISSIONS = ("Thumbs.db", "desktop.ini")  # a system's own files
PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{chapter}: {name}</title>
<style>body {{ font-family: sans-serif; max-width: 60em; margin: 2em auto }}
td, th {{ text-align: left; padding: 0.3em 1em; vertical-align: top }}</style>
<h1>{chapter}</h1>
<p>{name}: {total:g} of {maximum:g} points</p>
<table>
<tr><th>exercise</th><th>points</th><th>why some are missing</th></tr>
{rows}</table>
{others}</html>
"""
NOT_FOR_STUDENTS = re.compile(
    r"^(?:make test |\S*python -m pytest)[^\n]*\n"
    r"|<!-- not for students -->.*?<!-- end -->\n*",
    re.MULTILINE | re.DOTALL)
GIVES_AWAY = ("notebooks/solutions/", "tests/", ".ci/", ".github/")


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
        if chapter and name in (chapter, f"{chapter:0>2}_{name[3:]}"):
            return name
    numbers = ", ".join(name.split("_")[0] for name in names)
    raise HomeworkError(f"There are no exercises for chapter {chapter!r}. "
                        f"Say CHAPTER= and one of: {numbers}")


def student_edition(name):
    """The notebook that a student opens, as text.

    Its stubs and checks may raise: a notebook that nobody has solved yet
    passes `pytest --nbval` all the same.
    """
    notebook = grading.student_edition(name)
    for cell in notebook.cells:
        if grade_id_of(cell):
            cell.metadata["tags"] = ["raises-exception"]
    return nbformat.writes(notebook) + "\n"


def write_exercises():
    """Write notebooks/exercises anew from notebooks/solutions.

    Answers that somebody has typed into one of them are kept in homework/.
    """
    EXERCISES.mkdir(exist_ok=True)
    for name in chapter_names():
        path, text = EXERCISES / f"{name}.ipynb", student_edition(name)
        if path.exists() and answers(path.read_text("utf-8")) != answers(text):
            kept = HOMEWORK / "answers" / f"{name}-{time_of(path)}.ipynb"
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, kept)
            print(f"What stood there is kept: {kept.relative_to(ROOT)}")
        path.write_text(text, encoding="utf-8", newline="\n")
        print(path.relative_to(ROOT))


def answers(text):
    """What is typed into the code cells of a notebook; the text, if it is
    none."""
    with contextlib.suppress(ValueError, AttributeError):
        return [cell.source for cell in nbformat.reads(text, as_version=4)
                .cells if cell.cell_type == "code"]
    return text


def time_of(path):
    """When a file was written, for a name."""
    return time.strftime("%Y-%m-%d-%H%M%S",
                         time.localtime(path.stat().st_mtime))


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

    It is the last commit, so that nothing of the instructor's own is in it,
    and its README leaves out what is for instructors and maintainers.

    Args:
        folder: a path where nothing is yet.

    Raises:
        HomeworkError: something stands there, or this is no git repository.
    """
    if not folder:
        raise HomeworkError("Say FOLDER= and where the copy is to stand.")
    folder = pathlib.Path(folder).expanduser()
    if folder.exists():
        raise HomeworkError(f"{folder} exists. Name another FOLDER=.")
    try:
        commit = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT,
                                check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise HomeworkError("This is no clone of the repository, so it cannot "
                            "be told what belongs to the course.") from error
    with tarfile.open(fileobj=io.BytesIO(commit)) as archive:
        archive.extractall(folder, [
            member for member in archive.getmembers()
            if not f"{member.name}/".startswith(GIVES_AWAY)], filter="data")
    readme = folder / "README.md"
    readme.write_text(NOT_FOR_STUDENTS.sub("", readme.read_text("utf-8")),
                      encoding="utf-8")
    print(f"Written: {folder}, as of the last commit")


def submitted_files(folder):
    """What was handed in, as paths, in alphabetical order.

    Hidden files, checkpoints, our own tables and pages, and what stands beside
    a notebook in a student's folder are left out; what cannot be read (a
    broken link, a folder without rights, an empty one with the name of a
    notebook) is not, so that its student gets a line.

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
             and not (path.relative_to(folder).parts[0] == FEEDBACK
                      and path.suffix == ".html")
             and path.name not in NO_SUBMISSIONS
             and not (path.parent == folder and path.suffix == ".csv")]
    with_notebook = {path.parent for path in files if is_notebook(path)}
    files = [path for path in files if path.parent == folder
             or is_notebook(path) or path.parent not in with_notebook]
    if not files:
        raise HomeworkError(f"{folder} holds no submissions.")
    return files


def is_notebook(path):
    return path.suffix.lower() == ".ipynb"


def is_unreadable(path):
    """Whether somebody handed something in that holds no file for us."""
    if path.is_symlink():
        return True
    if not path.is_dir():
        return not path.is_file()
    try:
        return path.suffix == ".ipynb" and not any(path.iterdir())
    except OSError:
        return True


def grade(chapter, folder, timeout=CELL_TIMEOUT):
    """Grade every file in a folder; write grades.csv and a page for each.

    What was graded before, by the same checks, and has not changed is not run
    again. Several are run at once.

    Args:
        chapter: number, such as "01".
        folder: path of the submissions; the table is written into it, and a
            table that is there already is kept under another name.
        timeout: seconds after which a cell is stopped.

    Returns:
        Dict of submission (its path in the folder, without ".ipynb") →
        tools.grading.Outcome, in alphabetical order.

    Raises:
        HomeworkError: no such chapter, no such folder, or an empty one.
    """
    name = chapter_name(chapter)
    folder = pathlib.Path(folder).expanduser().resolve()
    files = submitted_files(folder)
    if ROOT.is_relative_to(folder):
        raise HomeworkError(f"{folder} holds the course itself. Put the "
                            "notebooks into a folder of their own.")
    made = Course(name)
    refuse_if_none_is_of(made, files, folder)
    with only_one_in(folder):
        outcomes = grade_files(made, files, folder, timeout)
    if not all(outcome.sealed for outcome in outcomes.values()):
        print("This system does not let submissions be shut in: they could "
              "read your files and write to them.")
    print(f"Written: {folder / 'grades.csv'}, and a page for each in "
          f"{folder / FEEDBACK}")
    return outcomes


def grade_files(made, files, folder, timeout):
    """The same, once all is known to be in order."""
    table, known = folder / "grades.csv", Known(folder / KNOWN, made.name)
    hidden = [SOLUTIONS, ROOT / "tests", HOMEWORK, ROOT / ".git",
              common_repository(), folder]
    keys = {path: known.key(path) for path in files}
    outcomes, in_order = {}, {}

    def one(path):
        return known.outcomes.get(keys[path]) or made.grade(path, timeout,
                                                            hidden)

    kept = keep_old_table(table)
    table = write_table(table, made.max_points, {})  # now, if it cannot be
    if not known.outcomes.keys() >= set(keys.values()):
        print("First the course's own solutions …", flush=True)
        refuse_if_solutions_fail(made)
    try:
        for path, outcome in side_by_side(one, files):
            known.add(keys[path], outcome)
            outcomes[path] = outcome
            in_order = {submission_of(p, folder): outcomes[p]
                        for p in files if p in outcomes}
            # Now, so that it stays whatever comes.
            table = write_table(table, made.max_points, in_order)
            submission = submission_of(path, folder)
            with contextlib.suppress(OSError):  # a name that is too long
                write_page(folder / FEEDBACK, made, submission, outcome)
            print(f"[{len(outcomes)}/{len(files)}] {no_formula(submission)}: "
                  f"{outcome.total:g} of {sum(made.max_points.values()):g}"
                  + (outcome.text and f"; {outcome.text}"), flush=True)
    finally:
        known.write()
    remove_old_pages(folder / FEEDBACK, in_order)
    if kept and kept.read_bytes() == table.read_bytes():
        kept.unlink()
    return in_order


def common_repository():
    """Where Git keeps the history, which may be another folder than .git."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return ROOT / subprocess.run(
            ["git", "rev-parse", "--git-common-dir"], cwd=ROOT, check=True,
            capture_output=True, text=True).stdout.strip()
    return ROOT / ".git"


def refuse_if_none_is_of(made, files, folder):
    """
    Raises:
        HomeworkError: there are notebooks, but all of other chapters, so that
            what was graded there would be overwritten with zeros.
    """
    found = 0
    for path in files:
        try:
            made.complete(path)
            return
        except grading.NotOfThisChapter:
            found += 1
        except Exception:  # it gets a line of its own
            pass
    if found:
        raise HomeworkError(f"None of the notebooks in {folder} is of chapter "
                            f"{made.name}: nothing was graded.")


@contextlib.contextmanager
def only_one_in(folder):
    """Raises HomeworkError if somebody else is grading this folder."""
    lock = folder / ".grading"
    with contextlib.suppress(OSError, ValueError):
        if psutil.pid_exists(int(lock.read_text())):
            raise HomeworkError(f"Somebody is grading {folder} right now (if "
                                f"not, delete {lock}).")
    with contextlib.suppress(OSError):  # the table says it, if it matters
        lock.write_text(str(os.getpid()))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink()


def remove_old_pages(folder, submissions):
    """Pages of what is no longer there are not to be handed back."""
    for page in folder.rglob("*.html"):
        if page.relative_to(folder).as_posix()[:-5] not in submissions:
            page.unlink()


def submission_of(path, folder):
    """The name of what was handed in: its path, without ".ipynb"."""
    if path.with_suffix("").exists():  # which is another one
        return path.relative_to(folder).as_posix()
    return path.relative_to(folder).as_posix().removesuffix(".ipynb")


def side_by_side(function, paths):
    """Yield (path, function(path)) as they are done, several at once.

    Raises:
        KeyboardInterrupt: somebody stopped it; nothing of it runs any longer.
    """
    pool = concurrent.futures.ThreadPoolExecutor(grading.worker_count())
    futures = {pool.submit(function, path): path for path in paths}
    try:
        for future in concurrent.futures.as_completed(futures):
            yield futures[future], future.result()
    except BaseException:
        grading.STOPPED.set()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        grading.STOPPED.clear()


class Known:
    """The outcomes of earlier runs, by what was handed in and the checks."""

    def __init__(self, path, name):
        self.path = path
        self.checks = (SOLUTIONS / f"{name}.ipynb").read_bytes()
        self.outcomes = {}
        with contextlib.suppress(OSError, ValueError, TypeError,
                                 AttributeError):
            self.outcomes = {
                key: grading.Outcome(*outcome) for key, outcome
                in json.loads(path.read_text("utf-8")).items()}

    def key(self, path):
        """What an outcome is kept by; None if the file cannot be read."""
        try:
            content = grading.content_of(path)
        except HomeworkError:
            return None
        return hashlib.sha256(self.checks + content).hexdigest()

    def add(self, key, outcome):
        """Note an outcome, unless another time it may be another one."""
        if key and outcome.is_final:
            self.outcomes[key] = outcome

    def write(self):
        with contextlib.suppress(OSError):  # then all are run again
            self.path.write_text(json.dumps(self.outcomes), encoding="utf-8")


def refuse_if_solutions_fail(made):
    """Grade the course's own solutions: if this environment is broken, it is
    not the students who pay.

    Raises:
        HomeworkError: they do not earn all points.
    """
    outcome = made.grade(SOLUTIONS / f"{made.name}.ipynb")
    if not outcome.sealed and sys.platform == "linux" and (
            os.environ.get("UNSEALED") != "yes"):
        raise HomeworkError(
            "This system does not let submissions be shut in (man 7 "
            "user_namespaces): they could read your files, the solutions "
            "among them, and write to them. If that is acceptable here, add "
            "UNSEALED=yes.")
    if outcome.points != made.max_points:
        raise HomeworkError(
            "The course's own solutions do not earn all points here, so no "
            "one was graded: " + outcome.text + ". Is the "
            "environment whole? `make clean`, then the same command, makes it "
            "anew.")


def write_page(folder, made, submission, outcome):
    """Write what a student gets back: points and reasons, as HTML.

    Args:
        folder: of the pages, a pathlib.Path.
        made: tools.grading.Course.
        submission: its name.
        outcome: tools.grading.Outcome.
    """
    rows = "".join(
        f"<tr><td>{html.escape(made.titles[exercise])}</td>"
        f"<td>{points:g} of {made.max_points[exercise]:g}</td>"
        f"<td>{html.escape(outcome.reasons.get(exercise, ''))}</td></tr>\n"
        for exercise, points in outcome.points.items())
    path = folder / f"{submission}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PAGE.format(
        name=html.escape(submission), chapter=made.name, rows=rows,
        others="".join(f"<p>{html.escape(remark)}</p>\n"
                       for remark in outcome.remarks),
        total=outcome.total, maximum=sum(made.max_points.values())),
        encoding="utf-8", errors="replace")


def keep_old_table(table):
    """Rename a table of an earlier run, by the time it was written; return
    its new path, or None."""
    with contextlib.suppress(OSError):  # none, or none may be written
        return table.rename(table.with_name(f"grades-{time_of(table)}.csv"))


def write_table(table, max_points, outcomes):
    """Write the grades as CSV; return the path that was written.

    It is there as a whole or not at all, and has a byte-order mark, so that
    spreadsheets show Chinese names. If the table is open in one that locks it,
    the grades go beside it.
    """
    rows = [["submission", *max_points, "total", "remarks"],
            ["(maximum)", *max_points.values(), sum(max_points.values()), ""]]
    for submission, outcome in outcomes.items():
        rows.append([no_formula(submission), *outcome.points.values(),
                     outcome.total, no_formula(outcome.text)])
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
            f"{table} cannot be written ({error.strerror}). Make the folder "
            "writable, or make room, and grade again: what was graded is not "
            "lost.") from error
    return table


def no_formula(text):
    """A text that no spreadsheet computes, without control characters."""
    text = printable(text)
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
