"""The grader can tell right from wrong.

The checks of a chapter judge its solutions, its untouched stubs and each of
tests/wrong_answers: without a kernel, in a namespace for each submission. The
grader grades two chapters, nbgrader by itself one, and must say the same.
"""

import collections
import copy
import csv
import json
import os
import re
import socket
import subprocess
import sys
import time
import warnings

import nbformat
import psutil
import pytest
from nbformat import v4
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

from tools import grading, homework
from tools.notebooks import code_cells

NAMES = homework.chapter_names()
CHAPTER = {name: name.split("_")[0] for name in NAMES}


def cells_by_id(notebook):
    return {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells
            if "nbgrader" in cell.metadata}


def wrong_answers(name):
    """Dict of exercise → list of (title, source)."""
    answers = collections.defaultdict(list)
    for path in sorted((grading.WRONG_ANSWERS / name).glob("*.py")):
        exercise, title = path.stem.split(".")
        answers[exercise].append((title, path.read_text(encoding="utf-8")))
    return answers


def stored_edition(name):
    """Text of the student edition in the repository."""
    text = (homework.EXERCISES / f"{name}.ipynb").read_text(encoding="utf-8")
    if '"execution_count": 1' in text and "CI" not in os.environ:
        pytest.skip("somebody is solving these exercises")
    return text


def student_edition(name):
    return nbformat.reads(stored_edition(name), as_version=4)


def solved(name, replaced=()):
    """A student edition with the right answers, but for those replaced."""
    notebook = student_edition(name)
    solution = cells_by_id(nbformat.read(
        grading.SOLUTIONS / f"{name}.ipynb", as_version=4))
    for grade_id, cell in cells_by_id(notebook).items():
        if not grade_id.startswith("check-"):
            cell.source = dict(replaced).get(grade_id,
                                             solution[grade_id].source)
    return notebook


def as_saved_on_colab(notebook):
    """Format 4.0, ids among the metadata, Colab's own fields, and outputs."""
    saved = copy.deepcopy(notebook)
    saved.nbformat_minor = 0
    saved.metadata = nbformat.from_dict({
        "colab": {"provenance": [], "toc_visible": True},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"}})
    for number, cell in enumerate(saved.cells):
        cell.metadata["id"] = cell.pop("id")
        if cell.cell_type == "code":
            cell.metadata |= {
                "colab": {"base_uri": "https://localhost:8080/"},
                "outputId": f"{number:08x}-1a2b",
                "executionInfo": {"status": "ok", "elapsed": 3}}
            cell.execution_count = number
            cell.outputs = [v4.new_output("stream", text="an output")]
    return saved


def hand_in(folder, submissions):
    """Write {name: notebook} into a folder."""
    for submission, notebook in submissions.items():
        path = folder / f"{submission}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_student_edition_is_up_to_date(name):
    assert stored_edition(name) == homework.student_edition(name), (
        "run `make exercises`")


@pytest.mark.parametrize("name", NAMES)
def test_student_edition_gives_nothing_away(name):
    for cell in student_edition(name).cells:
        assert "### " not in cell.source
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
    stubs = [cell for grade_id, cell in cells_by_id(student_edition(name))
             .items() if not grade_id.startswith("check-")]
    assert all(grading.STUB.splitlines()[1] in cell.source for cell in stubs)


@pytest.mark.parametrize("name", NAMES)
def test_exercises_are_complete(name):
    cells = cells_by_id(student_edition(name))
    checks = {grading.exercise_of(cell): cell.metadata.nbgrader.points
              for grade_id, cell in cells.items()
              if grade_id.startswith("check-")}
    assert 3 <= len(checks) <= 5
    assert sum(checks.values()) == 10
    assert set(cells) == set(checks) | {f"check-{name}" for name in checks}
    answers = wrong_answers(name)
    assert set(answers) == set(checks)
    for exercise, wrong in answers.items():
        assert len(wrong) >= 2, f"two wrong answers for {exercise}, please"


# ---- what the checks say, without nbgrader

def solutions(name):
    """The code cells of a chapter's solutions, hidden tests included."""
    return code_cells(grading.SOLUTIONS / f"{name}.ipynb")


def failures(cells, answers=()):
    """Execute cells in an empty namespace, each one whatever became of the
    one before, as nbgrader does.

    Args:
        cells: the cells of a notebook with solutions.
        answers: dict of exercise → source to put in place of its solution.

    Returns:
        Set of the nbgrader ids of the cells that raise.
    """
    namespace, raised = {"__name__": "__main__"}, set()
    for cell in cells:
        grade_id = grading.grade_id_of(cell)
        source = dict(answers).get(grade_id, cell.source)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(compile(source, str(grade_id), "exec"), namespace)
        except Exception:
            raised.add(grade_id)
    return raised


def misjudged(cells, answers):
    """Wrong answers with another fate than this: the checks of their own
    exercise raise, no others do, and nor does the answer itself, since a slip
    of the pen would prove nothing about the checks.

    Args:
        cells: the cells of a notebook with solutions.
        answers: dict of exercise → list of (title, source).

    Returns:
        Dict of "exercise.title" → set of the cells that raise.
    """
    raised = {(exercise, title): failures(cells, {exercise: source})
              for exercise, wrong in answers.items()
              for title, source in wrong}
    return {".".join(answer): cells for answer, cells in raised.items()
            if cells != {f"check-{answer[0]}"}}


@pytest.mark.parametrize("name", NAMES)
def test_stubs_fail_all_checks(name):
    stubs = {grade_id: cell.source
             for grade_id, cell in cells_by_id(student_edition(name)).items()
             if not grade_id.startswith("check-")}
    assert failures(solutions(name), stubs) == {
        f"check-{exercise}" for exercise in stubs}


@pytest.mark.parametrize("name", NAMES)
def test_each_wrong_answer_fails_its_own_checks_and_no_others(name):
    cells = solutions(name)
    assert failures(cells) == set()
    assert misjudged(cells, wrong_answers(name)) == {}
    assert failures(cells) == set(), "a wrong answer has left something behind"


GRADED_TWICE = ["04_attention", "08_pretrain_and_finetune"]


@pytest.mark.parametrize("name", GRADED_TWICE)
def test_right_and_broken_answers_among_the_wrong_ones_are_noticed(name):
    cells = solutions(name)
    right = {grading.grade_id_of(cell): cell.source for cell in cells
             if not (grading.grade_id_of(cell) or "check-")
             .startswith("check-")}
    for exercise, source in right.items():
        title = f"{exercise}.right"
        assert misjudged(cells, {exercise: [("right", source)]}) == {
            title: set()}
        assert misjudged(cells, {exercise: [("right", "}" + source)]}) == {
            title: {exercise, f"check-{exercise}"}}


def test_an_answer_that_breaks_another_exercise_is_noticed():
    cells = [v4.new_code_cell(source,
                              metadata={"nbgrader": {"grade_id": name}})
             for name, source in [
                 ("one", "one = 1"), ("check-one", "assert one == 1"),
                 ("two", "two = 2"), ("check-two", "assert two == 2 * one")]]
    assert misjudged(cells, {"one": [("three", "one = 3")]}) == {
        "one.three": {"check-one", "check-two"}}


# ---- what the grader says, and nbgrader by itself

def points_of_nbgrader(name, folder, notebook):
    """Points by exercise, as nbgrader's own autograde and gradebook say."""
    config = Config()
    config.CourseDirectory.root = str(folder)
    config.Execute.timeout = 60
    api = NbGraderAPI(config=config)
    for part, text in (("source", (grading.SOLUTIONS / f"{name}.ipynb"
                                   ).read_text("utf-8")),
                       ("submitted/anna", nbformat.writes(notebook))):
        path = folder / part / name / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    for result in (api.generate_assignment(name), api.autograde(name, "anna")):
        assert result["success"], result["log"]
    with api.gradebook as gradebook:
        submission = gradebook.find_submission(name, "anna")
        return {grade.name.removeprefix("check-"): grade.auto_score
                for grade in submission.notebooks[0].grades}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Object of type <Submitted")
def test_nbgrader_by_itself_gives_the_same_points(tmp_path, monkeypatch):
    name = GRADED_TWICE[0]
    exercise, answers = next(iter(wrong_answers(name).items()))
    notebook = solved(name, {exercise: answers[0][1]})
    hand_in(tmp_path / "inbox", {"anna": notebook})
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable) + os.pathsep
                       + os.environ["PATH"])  # where alembic is
    monkeypatch.setenv("PYTHONPATH", str(grading.ROOT))
    points = homework.grade(CHAPTER[name], tmp_path / "inbox")["anna"].points
    assert points[exercise] == 0 < sum(points.values())
    assert points_of_nbgrader(name, tmp_path / "course", notebook) == points


@pytest.mark.slow
@pytest.mark.parametrize("name", GRADED_TWICE)
def test_the_grader_gives_the_points_that_the_checks_say(name, tmp_path):
    wrong = {exercise: answers[0][1]
             for exercise, answers in wrong_answers(name).items()}
    some = dict(list(wrong.items())[::2])
    answers = {"right": {}, "wrong": wrong, "some": some}
    hand_in(tmp_path, {who: solved(name, replaced)
                       for who, replaced in answers.items()}
            | {"stubs": student_edition(name)})
    grades = homework.grade(CHAPTER[name], tmp_path)
    assert grades["right"].total == 10 and grades["right"].text == ""
    assert grades["stubs"].total == 0
    for who, replaced in answers.items():
        raised = failures(solutions(name), replaced)
        assert grades[who].points == {
            exercise: 0 if f"check-{exercise}" in raised else points
            for exercise, points in grades["right"].points.items()}


@pytest.fixture(autouse=True)
def unsealed_if_it_must_be(monkeypatch):
    """Where nothing can be shut in, the other tests hold all the same."""
    monkeypatch.setenv("UNSEALED", "yes")


# ---- what comes back from students, without running it

NAME = "02_gradient_descent"


@pytest.fixture(scope="module")
def made():
    return grading.Course(NAME)


def completed(made, tmp_path, text):
    """What becomes of a submitted file: a notebook of the cells that are to be
    run, and the remarks."""
    path = tmp_path / "a.ipynb"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    cells, remarks = made.complete(path)
    return v4.new_notebook(cells=cells), remarks


def as_handed_out(made, notebook):
    """Whether each cell of the course is there once, with its metadata, and
    each of checks with its text."""
    cells = [cell for cell in notebook.cells if grading.grade_id_of(cell)]
    expected = cells_by_id(made.release)
    assert sorted(map(grading.grade_id_of, cells)) == sorted(expected)
    for cell in cells:
        original = expected[grading.grade_id_of(cell)]
        assert cell.metadata == original.metadata
        if grading.is_grade(original):
            assert cell.source == made.checks[grading.grade_id_of(cell)]
    return True


def each_cell(change):
    def damage(saved):
        for cell in saved["cells"]:
            change(cell)
    return damage


def worksheets(saved):
    cells = saved.pop("cells")
    for cell in cells:
        cell["input"] = cell.pop("source")
    saved |= {"worksheets": [{"cells": cells}], "nbformat": 3}


ODD_FORMATS = {
    "minor 2": lambda saved: saved.update(nbformat_minor=2),
    "minor 4": lambda saved: saved.update(nbformat_minor=4),
    "minor 99": lambda saved: saved.update(nbformat_minor=99),
    "no minor": lambda saved: saved.pop("nbformat_minor"),
    "no format": lambda saved: [saved.pop("nbformat"),
                                saved.pop("nbformat_minor")],
    "format 3": worksheets,
    "kernelspec null": lambda saved: saved["metadata"].update(kernelspec=None),
    "kernelspec empty": lambda saved: saved["metadata"].update(kernelspec={}),
    "no language": lambda saved: saved["metadata"].update(language_info={}),
    "no metadata": lambda saved: saved.pop("metadata"),
    "metadata null": lambda saved: saved.update(metadata=None),
    "extra key": lambda saved: saved.update(worksheet=1),
    "no count": each_cell(lambda cell: cell.pop("execution_count", None)),
    "count text": each_cell(lambda cell: cell.update(execution_count="3")),
    "no outputs": each_cell(lambda cell: cell.pop("outputs", None)),
    "outputs null": each_cell(lambda cell: cell.update(outputs=None)),
    "odd output": each_cell(lambda cell: cell.update(outputs=[{"a": 1}])),
    "extra in cells": each_cell(lambda cell: cell.update(collapsed=True)),
    "same id": each_cell(lambda cell: cell.update(id="a")),
    "id number": each_cell(lambda cell: cell.update(id=7)),
    "no id": each_cell(lambda cell: cell.pop("id")),
    "source list": each_cell(lambda cell: cell.update(
        source=cell["source"].splitlines(True))),
    "no type": each_cell(lambda cell: cell.pop("cell_type")),
    "all raw": each_cell(lambda cell: cell.update(cell_type="raw")),
    "null among cells": lambda saved: saved["cells"].append(None),
    "cell without metadata": lambda saved: saved["cells"].append(
        {"cell_type": "code", "source": "1"}),
    "metadata list": lambda saved: saved["cells"].append(
        {"cell_type": "code", "source": "1", "metadata": []}),
}


@pytest.mark.parametrize("damage", ODD_FORMATS.values(), ids=ODD_FORMATS)
def test_what_editors_write_costs_no_point(made, tmp_path, damage):
    saved = json.loads(nbformat.writes(solved(NAME)))
    for cell in saved["cells"]:
        cell["source"] = "".join(cell["source"])
    damage(saved)
    notebook, remarks = completed(made, tmp_path, json.dumps(saved))
    assert as_handed_out(made, notebook) and remarks == []
    answers = cells_by_id(solved(NAME))
    assert all(cell.source == answers[grade_id].source
               for grade_id, cell in cells_by_id(notebook).items()
               if not grade_id.startswith("check-"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_notebook_in_another_encoding_is_read(made, tmp_path, encoding):
    text = nbformat.writes(solved(NAME)).encode(encoding)
    assert completed(made, tmp_path, text)[1] == []


@pytest.mark.parametrize("text, message", [
    (b"", "not a readable notebook"), (b"{", "not a readable notebook"),
    (b"[]", "not a readable notebook"), (b"\x00\xff", "not a readable"),
    (b'{"cells": 3}', "not a readable notebook"),
    (b'{"cells": []}', "none of the cells of 02_gradient_descent")])
def test_what_is_no_notebook_says_so(made, tmp_path, text, message):
    with pytest.raises(grading.HomeworkError, match=message):
        completed(made, tmp_path, text)


def test_an_answer_in_a_new_cell_is_not_undone(made, tmp_path):
    notebook = solved(NAME)
    answer, *_ = (cell for cell in notebook.cells if grading.grade_id_of(cell))
    exercise = answer.metadata.nbgrader.grade_id
    answer.metadata.pop("nbgrader")
    notebook, remarks = completed(made, tmp_path, nbformat.writes(notebook))
    assert as_handed_out(made, notebook)
    assert answer.source in [cell.source for cell in notebook.cells]
    assert cells_by_id(notebook)[exercise].source.startswith("# This cell was")
    assert remarks == [f"cell deleted: {exercise}"]


@pytest.mark.parametrize("keep", [True, False])
def test_what_is_typed_into_a_cell_of_checks_is_run_before_them(
        made, tmp_path, keep):
    notebook = solved(NAME)
    places = [i for i, cell in enumerate(notebook.cells)
              if (grading.grade_id_of(cell) or "").startswith("check-")]
    check = notebook.cells[places[0]]
    check.source = (check.source + "\n\n" if keep else "") + "typed = 1"
    notebook, remarks = completed(made, tmp_path, nbformat.writes(notebook))
    assert as_handed_out(made, notebook)
    place, = (i for i, cell in enumerate(notebook.cells)
              if cell.source == "typed = 1")
    name = grading.grade_id_of(check)
    assert grading.grade_id_of(notebook.cells[place + 1]) == name
    assert remarks == [f"checks changed: {name}"]


@pytest.mark.parametrize("error, expected", [
    (("SyntaxError", "expected ':' (123.py, line 1)"),
     "SyntaxError: expected ':' (line 1)"),
    (("NotImplementedError", ""), "not solved in its cell"),
    (("CellTimeoutError", "x"), "stopped: it ran too long"),
    (("AssertionError", "\nArrays\x1b[0m differ\n [1 2]"),
     "AssertionError: Arrays [0m differ [1 2]"),
    (("ValueError", "a " * 500), "ValueError: " + "a " * 143 + "…")])
def test_an_error_is_told_in_one_line(error, expected):
    assert grading._explain(*error) == expected


def test_what_cannot_be_read_gets_a_line_too(tmp_path):
    (tmp_path / "link.ipynb").symlink_to(tmp_path / "nowhere")
    (tmp_path / "empty.ipynb").mkdir()
    for name in ("full/a.ipynb", "full/helper.py", "essay/a.docx", "b.zip",
                 "feedback/c.ipynb", "feedback/full/a.html", "Thumbs.db",
                 "full/desktop.ini", "grades.csv", "participants.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("{}")
    assert [path.relative_to(tmp_path).as_posix()
            for path in homework.submitted_files(tmp_path)] == [
        "b.zip", "empty.ipynb", "essay/a.docx", "feedback/c.ipynb",
        "full/a.ipynb", "link.ipynb"]


def test_checks_without_metadata_are_known_by_their_text(made, tmp_path):
    notebook = solved(NAME)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    found, remarks = completed(made, tmp_path, nbformat.writes(notebook))
    graded = [cell for cell in found.cells if grading.is_grade(cell)]
    assert [grading.exercise_of(cell) for cell in graded] == list(
        made.max_points)
    assert [cell.source for cell in graded] == list(made.checks.values())
    assert {remark.partition(":")[0] for remark in remarks} == {"cell deleted"}


# ---- the exercises of the repository

def test_answers_are_kept_when_the_exercises_are_written_anew(
        tmp_path, monkeypatch, capsys):
    edition, solution = stored_edition(NAME), nbformat.writes(solved(NAME))
    for name, value in (("ROOT", tmp_path), ("HOMEWORK", tmp_path / "home"),
                        ("EXERCISES", tmp_path / "exercises"),
                        ("chapter_names", lambda: [NAME]),
                        ("student_edition", lambda name: edition)):
        monkeypatch.setattr(homework, name, value)
    path = tmp_path / "exercises" / f"{NAME}.ipynb"
    opened = nbformat.reads(edition, as_version=4)
    opened.metadata["language_info"] = {"name": "python", "version": "3.12"}
    for text, kept in ((None, 0), (edition, 0), (nbformat.writes(opened), 0),
                       (solution, 1), ("{", 2)):
        if text:
            path.write_text(text, "utf-8")
            os.utime(path, (kept, kept))
        homework.write_exercises()
        assert path.read_text("utf-8") == edition
        answers = list((tmp_path / "home" / "answers").glob("*.ipynb"))
        assert len(answers) == kept
        assert kept == 0 or text in [p.read_text("utf-8") for p in answers]
    assert "What stood there is kept: home/answers" in capsys.readouterr().out


# ---- the copy for students

def test_a_copy_for_students_holds_no_answer(tmp_path):
    folder = tmp_path / "copy"
    homework.handout(folder)
    assert (folder / "notebooks/exercises" / f"{NAME}.ipynb").exists()
    assert (folder / "lib/text.py").exists()
    text = "".join(cell.source for path in folder.rglob("*.ipynb")
                   for cell in code_cells(path))
    hidden = re.compile(r"### BEGIN (SOLUTION|HIDDEN TESTS)\n(.*?)\n *### END",
                        re.DOTALL)
    found = [match[2] for name in NAMES for cell in solutions(name)
             for match in hidden.finditer(cell.source)]
    assert len(found) > 2 * len(NAMES)
    assert [lines for lines in found if lines in text] == []
    readme = (folder / "README.md").read_text("utf-8")
    for word in ("git clone", "make lab  ", "jupyterlab notebooks", "Colab",
                 "## Scoreboard", "## Licence"):
        assert word in readme
    for word in ("make test", "make grade", "notebooks/solutions", "students"):
        assert word not in readme
    with pytest.raises(grading.HomeworkError, match="Name another"):
        homework.handout(folder)


def test_a_copy_is_the_last_commit(tmp_path, monkeypatch):
    def git(*arguments):
        subprocess.run(["git", "-C", root, "-c", "user.name=a", "-c",
                        "user.email=a@b", *arguments], check=True)

    root = tmp_path / "course"
    (root / "notebooks").mkdir(parents=True)
    (root / "README.md").write_text("a")
    for name in ("kept", "gone"):
        (root / "notebooks" / name).write_text("as handed out")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "a")
    (root / "notebooks" / "kept").write_text("my own answer")
    (root / "notebooks" / "gone").unlink()
    (root / "notebooks" / "mine").write_text("my own answer")
    monkeypatch.setattr(homework, "ROOT", root)
    homework.handout(tmp_path / "copy")
    assert {path.name: path.read_text() for path in
            (tmp_path / "copy" / "notebooks").iterdir()} == dict.fromkeys(
        ("kept", "gone"), "as handed out")


def test_a_copy_needs_a_place():
    with pytest.raises(grading.HomeworkError, match="Say FOLDER="):
        homework.handout("")


# ---- the table

GRADES = {"=1+1": grading.Outcome({"pad": 2.0}, {"pad": "c"}, ["@a\x07b"])}


def test_the_table_holds_no_formula_and_the_maxima(tmp_path):
    path = homework.write_table(tmp_path / "grades.csv", {"pad": 3.0}, GRADES)
    with open(path, encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            ["submission", "pad", "total", "remarks"],
            ["(maximum)", "3.0", "3.0", ""],
            ["'=1+1", "2.0", "2.0", "'@a b; pad: c"]]


def test_a_table_that_cannot_be_written_stays_whole(tmp_path, monkeypatch):
    table = tmp_path / "grades.csv"
    homework.write_table(table, {"pad": 3.0}, GRADES)
    before = table.read_bytes()

    class Full:
        def writerows(self, rows):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(homework.csv, "writer", lambda file: Full())
    with pytest.raises(grading.HomeworkError, match="No space left"):
        homework.write_table(table, {"pad": 3.0}, GRADES)
    assert table.read_bytes() == before
    assert list(tmp_path.iterdir()) == [table]


# ---- whole submissions

@pytest.mark.slow
def test_bad_submissions_get_a_line_and_the_others_their_points(tmp_path,
                                                                capsys):
    name = "01_lstm_classifier"
    without_cells = solved(name)
    without_cells.cells = [
        cell for cell in without_cells.cells
        if cell.metadata.get("nbgrader", {}).get("grade_id")
        not in ("pad", "check-pad", "check-scores")]
    copied_cell = solved(name)
    copied_cell.cells.append(copy.deepcopy(
        cells_by_id(copied_cell)["balanced"]))
    copied_cell.cells[-1].id = "copy"
    foreign_cell = solved(name)
    foreign_cell.cells.append(v4.new_code_cell("1", metadata={"nbgrader": {
        "grade_id": "gradient", "grade": True, "points": 5}}))
    foreign_cell.cells.append(v4.new_markdown_cell("", metadata={
        "nbgrader": None}))
    skipped = student_edition(name)
    for cell in skipped.cells:
        cell.metadata["tags"] = ["skip-execution"]
    warns = solved(name, {"pad": "import sys\n" + cells_by_id(solved(name))[
        "pad"].source.replace("return", "print(1, file=sys.stderr)\n"
                              "    return")})
    displays = solved(name, {"pad": "import sys\ndef pad(*args, **options):\n"
                                    "    sys.displayhook(2)"})
    easier_checks = student_edition(name)
    for cell in cells_by_id(easier_checks).values():
        cell.source = "assert True"
    hand_in(tmp_path, {
        "anna": solved(name),
        "colab": as_saved_on_colab(solved(name)),
        "deleted": without_cells,
        "copied": copied_cell,
        "cheat": easier_checks,
        "foreign": foreign_cell,
        "skipped": skipped,
        "warns": warns,
        "displays": displays,
        "endless": solved(name, {
            "pad": "def pad(sequences, length):\n    while True:\n"
                   "        print('again')"}),
        "exits": solved(name, {"buckets": "import os\nos._exit(0)"}),
        "other": v4.new_notebook(cells=[v4.new_code_cell("1 + 1")]),
        "zoë/王 小明 (2)": solved(name),
    })
    (tmp_path / "broken.ipynb").write_text("{ this is no JSON")
    (tmp_path / "essay.docx").write_bytes(b"PK\x03\x04")
    (tmp_path / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "grades.csv").write_text("an earlier table")

    grades = homework.grade("1", tmp_path, timeout=20)

    remarks = {who: grade.text for who, grade in grades.items()}
    assert {who: grade.total for who, grade in grades.items()} == {
        "anna": 10, "colab": 10, "zoë/王 小明 (2)": 10, "copied": 10,
        "foreign": 10, "warns": 10, "deleted": 8, "endless": 8, "displays": 8,
        "skipped": 0, "cheat": 0, "exits": 8, "other": 0, "broken": 0,
        "essay.docx": 0}
    assert remarks["anna"] == remarks["colab"] == ""
    assert remarks["deleted"] == (
        "cell deleted: pad; cell deleted: check-pad; "
        "cell deleted: check-scores; "
        "pad: NameError: name 'pad' is not defined")
    assert "pad: stopped: it ran too long" in remarks["endless"]
    assert "buckets: stopped: it ends its own process" in remarks["exits"]
    assert "another chapter" in remarks["other"]
    assert "not a readable notebook" in remarks["broken"]
    assert "hand in the .ipynb file" in remarks["essay.docx"]

    printed = capsys.readouterr().out.splitlines()
    assert len([line for line in printed if line.startswith("[")]) == 15
    with open(tmp_path / "grades.csv", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["submission", "pad", "buckets", "scores", "balanced",
                       "mask", "total", "remarks"]
    assert rows[1][0] == "(maximum)"
    assert sum(map(float, rows[1][1:6])) == float(rows[1][6]) == 10
    assert {row[0]: float(row[6]) for row in rows[2:]} == {
        who: grade.total for who, grade in grades.items()}
    earlier, = tmp_path.glob("grades-*.csv")
    assert earlier.read_text() == "an earlier table"


def outcome_of(points):
    return grading.Outcome({"pad": points}, {"pad": "<too> short"}, [])


@pytest.fixture
def inbox(tmp_path, monkeypatch):
    """A folder for submissions that are not really run, and who was."""
    ran = []

    def grade(self, path, timeout=0, hidden=()):
        if path.stem == "stop":
            raise KeyboardInterrupt
        ran.append(path.stem)
        return outcome_of(2.0)

    monkeypatch.setattr(grading.Course, "grade", grade)
    def complete(self, path):
        if path.read_text() == "other":
            raise grading.NotOfThisChapter("another chapter")

    monkeypatch.setattr(grading.Course, "complete", complete)
    monkeypatch.setattr(grading.Course, "__init__", lambda self, name: vars(
        self).update(name=name, max_points={"pad": 2.0},
                     titles={"pad": "1. Pad & cut"}))
    monkeypatch.setattr(grading, "worker_count", lambda: 1)
    for name in ("anna", "ben"):
        (tmp_path / f"{name}.ipynb").write_text(name)
    return tmp_path, ran


def test_ctrl_c_stops_and_keeps_what_is_graded(inbox):
    folder, ran = inbox
    (folder / "stop.ipynb").write_text("")
    (folder / "zoe.ipynb").write_text("")
    with pytest.raises(KeyboardInterrupt):
        homework.grade("01", folder)
    table = (folder / "grades.csv").read_text(encoding="utf-8-sig")
    assert [line.split(",")[0] for line in table.splitlines()] == [
        "submission", "(maximum)", "anna", "ben"]
    (folder / "stop.ipynb").unlink()
    ran.clear()
    homework.grade("01", folder)  # and does not do it again
    assert sorted(ran) == ["01_lstm_classifier", "zoe"]


def test_only_what_is_new_or_changed_is_run_again(inbox, monkeypatch):
    folder, ran = inbox
    homework.grade("01", folder)
    assert sorted(ran) == ["01_lstm_classifier", "anna", "ben"]
    ran.clear()
    homework.grade("01", folder)
    assert ran == []
    (folder / "ben.ipynb").write_text("better")
    (folder / "zoe.ipynb").write_text("new")
    grades = homework.grade("01", folder)
    assert sorted(ran) == ["01_lstm_classifier", "ben", "zoe"]
    assert list(grades) == ["anna", "ben", "zoe"]
    ran.clear()
    homework.grade("02", folder)  # other checks
    assert sorted(ran) == ["02_gradient_descent", "anna", "ben", "zoe"]


def test_each_student_gets_a_page(inbox):
    folder, _ = inbox
    homework.grade("01", folder)
    page = (folder / "feedback/anna.html").read_text("utf-8")
    assert "anna: 2 of 2 points" in page
    assert ("<td>1. Pad &amp; cut</td><td>2 of 2</td>"
            "<td>&lt;too&gt; short</td>") in page
    assert len(homework.submitted_files(folder)) == 2
    (folder / "anna.ipynb").unlink()
    homework.grade("01", folder)
    assert [p.name for p in (folder / "feedback").iterdir()] == ["ben.html"]


def test_a_table_that_says_the_same_is_kept_once(inbox):
    folder, _ = inbox
    homework.grade("01", folder)
    homework.grade("01", folder)
    assert [path.name for path in folder.glob("*.csv")] == ["grades.csv"]
    (folder / "zoe.ipynb").write_text("new")
    homework.grade("01", folder)
    assert len(list(folder.glob("grades-*.csv"))) == 1


@pytest.mark.parametrize("reasons, remarks, runs", [
    ({"pad": "stopped: it ran too long"}, [], 2),
    ({}, ["could not be graded: no memory"], 2),
    ({"pad": "AssertionError: 3"}, ["cell deleted: pad"], 1)])
def test_what_another_run_may_judge_otherwise_is_run_again(
        inbox, monkeypatch, reasons, remarks, runs):
    folder, ran = inbox

    def grade(self, path, timeout=0, hidden=()):
        ran.append(path.stem)
        return grading.Outcome({"pad": 2.0}, reasons, remarks)

    monkeypatch.setattr(grading.Course, "grade", grade)
    for _ in range(2):
        homework.grade("01", folder)
    assert ran.count("anna") == runs


def test_a_folder_of_another_chapter_stays_as_it_is(inbox):
    folder, ran = inbox
    homework.grade("01", folder)
    before = {path: path.read_bytes() for path in folder.rglob("*.*")
              if path.is_file() and path.suffix != ".ipynb"}
    for path in folder.glob("*.ipynb"):
        path.write_text("other")
    with pytest.raises(grading.HomeworkError, match="nothing was graded"):
        homework.grade("02", folder)
    assert before == {path: path.read_bytes() for path in before}
    (folder / "zoe.ipynb").write_text("of this chapter")
    assert len(homework.grade("02", folder)) == 3  # a line for each


def test_a_folder_is_graded_by_one_at_a_time(inbox):
    folder, _ = inbox
    with (homework.only_one_in(folder),
          pytest.raises(grading.HomeworkError, match="right now")):
        homework.grade("01", folder)
    (folder / ".grading").write_text("999999999")  # it was killed
    assert len(homework.grade("01", folder)) == 2
    assert not (folder / ".grading").exists()


def test_the_course_itself_is_no_submission(monkeypatch, tmp_path):
    (tmp_path / "a.ipynb").write_text("{}")
    (tmp_path / "course").mkdir()
    monkeypatch.setattr(homework, "ROOT", tmp_path / "course")
    with pytest.raises(grading.HomeworkError, match="folder of their own"):
        homework.grade("01", tmp_path)


def test_nobody_is_graded_where_the_solutions_fail(inbox, monkeypatch):
    folder, ran = inbox
    monkeypatch.setattr(grading.Course, "grade", lambda *a: outcome_of(1.0))
    with pytest.raises(grading.HomeworkError, match="own solutions do not"):
        homework.grade("01", folder)


# ---- running

@pytest.mark.slow
@pytest.mark.parametrize("source, error", [
    ("import os; os._exit(0)", "Stopped"), ("exit()", None), ("quit", None),
    ("import sys; sys.exit()", "SystemExit")])
def test_a_cell_that_ends_its_process_costs_no_other_cell(source, error):
    wait = "import time; time.sleep(1)"  # a kernel may end after a while
    errors, _ = grading.run(["a = 1", source, wait, "b = a", "", wait, "b",
                             "1 / 0"], timeout=20)
    assert [errors[i] and errors[i][0] for i in range(8)] == [
        None, error, None, None, None, None, None, "ZeroDivisionError"]


def test_an_end_that_comes_late_is_blamed_on_a_cell_before(monkeypatch):
    """And it comes to an end, though the same cell never finishes."""
    jobs = []

    def attempt(sources, timeout, hidden, deadline):
        jobs.append(sources)
        if "late" not in sources:
            return [{"ended": i, "error": None} for i in range(3)] + [
                {"finished": True}], None
        return [{"begun": 0}, {"ended": 0, "error": None}, {"begun": 1},
                {"ended": 1, "error": None}, {"begun": 2}], None

    monkeypatch.setattr(grading, "attempt", attempt)
    errors, _ = grading.run(["a", "late", "c"], timeout=1)
    assert len(jobs) == 3
    assert errors[0] is None and errors[1][0] == "Stopped"


@pytest.mark.slow
@pytest.mark.parametrize("source, reason", [
    ("import os, signal; os.kill(os.getppid(), 9)", "ends its own process"),
    ("a = bytearray(10**9)", "memory"),
    ("import signal; signal.signal(2, signal.SIG_IGN)\nwhile True: pass",
     "could not be interrupted")])
def test_what_harms_the_grader_is_left_out(monkeypatch, source, reason):
    monkeypatch.setattr(grading, "MEMORY", 6e8)
    errors, _ = grading.run(["a = 1", source + "\nimport time; time.sleep(5)",
                             "b = a"], timeout=8)
    assert errors[0] is None and errors[2] is None
    name, message = errors[1]
    assert name == "Stopped" and reason in message


@pytest.mark.slow
def test_what_a_submission_started_ends_with_it():
    name = f"course{os.getpid()}"
    errors, sealed = grading.run([
        "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', "
        f"'import time; time.sleep(99) # {name}'], env={{}}, "
        "start_new_session=True)"], timeout=20)
    assert errors == {0: None}
    if sealed:
        assert not [process for process in psutil.process_iter(["cmdline"])
                    if name in " ".join(process.info["cmdline"] or ())]


@pytest.mark.slow
def test_slow_cells_cost_only_themselves():
    slow = "import time; time.sleep(3)"
    errors, _ = grading.run(["a = 1", *[slow] * 7, "b = a"], timeout=1)
    assert errors[0] is None and errors[8] is None
    assert {errors[i][0] for i in range(1, 8)} == {"CellTimeoutError"}


@pytest.mark.slow
def test_a_submission_has_its_time_and_no_more(monkeypatch):
    monkeypatch.setattr(grading, "TOTAL_TIME", 8)
    start = time.monotonic()
    errors, _ = grading.run(["a = 1", *["import time; time.sleep(3)"] * 9],
                            timeout=20)
    assert time.monotonic() - start < 14
    assert errors[0] is None and 9 not in errors


TAMPERING = {
    "checks are taken out": """
import ast
class NoAsserts(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
get_ipython().ast_transformers.append(NoAsserts())""",
    "cells are not run": """
async def do_execute(*arguments, **options):
    return {"status": "ok", "execution_count": 1, "payload": [],
            "user_expressions": {}}
get_ipython().kernel.do_execute = do_execute""",
    "all is equal": """
np.isclose = np.allclose = np.array_equal = lambda *a, **b: True"""}


@pytest.mark.slow
@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_with_the_checks_earns_nothing(how, made, tmp_path):
    wrong = {exercise: made.wrong[exercise] for exercise in made.max_points}
    wrong["schedule"] += "\n" + TAMPERING[how]
    hand_in(tmp_path, {"a": solved(NAME, wrong)})
    outcome = made.grade(tmp_path / "a.ipynb")
    assert outcome.total == 0
    assert "tampered" in outcome.text or how == "all is equal"


@pytest.mark.slow
def test_names_that_students_use_elsewhere_cost_nothing(made, tmp_path):
    notebook = solved(NAME)
    notebook.cells.insert(3, v4.new_code_cell(
        "from numpy import abs, all, any, max, sum\nmap = range = {}"))
    hand_in(tmp_path, {"a": notebook})
    assert made.grade(tmp_path / "a.ipynb").points == made.max_points


def test_checks_that_stand_above_their_answer_are_run_below(made, tmp_path):
    notebook = solved(NAME)
    cells = cells_by_id(notebook)
    notebook.cells.remove(cells["check-stopping"])
    notebook.cells.insert(3, cells["check-stopping"])
    found, remarks = completed(made, tmp_path, nbformat.writes(notebook))
    ids = [grading.grade_id_of(cell) for cell in found.cells]
    assert ids.index("check-stopping") == ids.index("stopping") + 1
    assert remarks == []


@pytest.mark.parametrize("make, message", [
    (lambda p: p.symlink_to(grading.SOLUTIONS / f"{NAME}.ipynb"), "a link"),
    (lambda p: p.symlink_to("/dev/zero"), "a link"),
    (lambda p: os.mkfifo(p), "not a file"),
    (lambda p: p.write_bytes(b"{}," * 7_000_000), "more than 20 MB")])
def test_what_is_no_plain_small_file_is_not_read(made, tmp_path, make,
                                                 message):
    path = tmp_path / "a.ipynb"
    make(path)
    assert homework.submitted_files(tmp_path) == [path]
    assert homework.Known(tmp_path / "no", NAME).key(path) is None
    outcome = made.grade(path)
    assert outcome.total == 0 and message in outcome.text


@pytest.mark.parametrize("known", ["[]", "{", '{"a": 7}', '{"a": [1]}', "7"])
def test_notes_of_an_earlier_run_that_are_damaged_are_left_out(inbox, known):
    folder, ran = inbox
    (folder / ".graded.json").write_text(known)
    assert len(homework.grade("01", folder)) == 2


def test_names_that_cannot_be_pages_stop_nobody(inbox):
    folder, _ = inbox
    for name in ("z" * 249 + ".ipynb", "eve/a.ipynb", "eve/a.html/b.ipynb",
                 "anna"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    grades = homework.grade("01", folder)
    assert len(grades) == 6 and {"anna", "anna.ipynb", "ben"} <= set(grades)


def test_where_nothing_can_be_shut_in_nobody_is_graded(inbox, monkeypatch):
    folder, ran = inbox

    def grade(self, path, timeout=0, hidden=()):
        ran.append(path.stem)
        return outcome_of(2.0)._replace(sealed=False)

    monkeypatch.setattr(grading.Course, "grade", grade)
    monkeypatch.setattr(homework.sys, "platform", "linux")
    monkeypatch.delenv("UNSEALED", raising=False)
    with pytest.raises(grading.HomeworkError, match="UNSEALED=yes"):
        homework.grade("01", folder)
    assert ran == ["01_lstm_classifier"]
    monkeypatch.setenv("UNSEALED", "yes")
    assert len(homework.grade("01", folder)) == 2


@pytest.mark.slow
def test_endless_output_takes_no_memory():
    errors, _ = grading.run(["x = list(range(100_000))\nfor i in range(300):\n"
                             "    print(x)", "1"], timeout=60)
    assert errors == {0: None, 1: None}


SEALED = [  # each must raise
    "open('{root}/here.txt', 'w')",
    "import sys; open(sys.prefix + '/here.txt', 'w')",
    "open('{root}/notebooks/solutions/01_lstm_classifier.ipynb')",
    "open('{inbox}/anna.ipynb')",
    "open('work.txt', 'wb').write(bytes(2 * 10**9))",
    "import os, shutil; shutil.rmtree(os.path.dirname(os.getcwd()))",
    "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', "
    "'install', '-q', 'iniconfig==1.0'], check=True)",
    "open('/proc/sys/kernel/core_pattern', 'w')",
    "import ctypes\nassert not ctypes.CDLL(None).umount2("
    "b'{root}/notebooks/solutions', 2)",
    "import ctypes\nassert not ctypes.CDLL(None).mount("
    "None, b'/', None, 32 | 4096, None)",
    "open('/proc/1/root{root}/here.txt', 'w')",
    "import socket; socket.create_connection(('127.0.0.1', {port}))",
    "import socket; socket.create_connection(('1.1.1.1', 53), 3)",
    "import os; os.environ['COURSE_SECRET']",
    "import os; os.kill({pid}, 0)",
    "import os; os.listdir('{root}/.git')[0]",
    "import os; os.listdir('{inbox}')[0]"]
ALLOWED = ["import os; assert len(os.listdir('/dev')) < 9",
           "open('/dev/null', 'w').write('a'); open('/dev/urandom', 'rb')",
"open('work.txt', 'w').write('a')", "import lib.text",
           "import tempfile; tempfile.mkdtemp()",
           "open('{root}/README.md').read()"]


@pytest.mark.slow
def test_a_submission_writes_to_its_own_folder_and_reads_no_solution(
        tmp_path, monkeypatch):
    (tmp_path / "anna.ipynb").write_text("hers")
    monkeypatch.setenv("COURSE_SECRET", "token")
    with socket.create_server(("127.0.0.1", 0)) as server:
        values = {"root": grading.ROOT, "inbox": tmp_path, "pid": os.getpid(),
                  "port": server.getsockname()[1]}
        sources = [re.sub(r"\{(\w+)\}", lambda name: str(values[name[1]]),
                          text) for text in ALLOWED + SEALED]
        errors, sealed = grading.run(sources, 60, [
            grading.SOLUTIONS, tmp_path, grading.ROOT / ".git"])
    if not sealed:
        pytest.skip("this system does not allow it")
    assert [errors[i] for i in range(len(ALLOWED))] == [None] * len(ALLOWED)
    for i in range(len(ALLOWED), len(sources)):
        assert errors[i] is not None, sources[i]
    assert (tmp_path / "anna.ipynb").read_text() == "hers"


@pytest.mark.slow
def test_broken_environment_of_the_shell_does_not_switch_checks_off(
        tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    name = "01_lstm_classifier"
    hand_in(tmp_path, {"wrong": solved(name, {
        "pad": "def pad(sequences, length):\n    return np.zeros((2, 3))"})})
    assert homework.grade("01", tmp_path)["wrong"].points["pad"] == 0


@pytest.mark.parametrize("chapter", ["99", "", "lstm", "../01"])
def test_unknown_chapter_is_one_line_that_lists_them(chapter):
    with pytest.raises(grading.HomeworkError, match=r"one of: 01"):
        homework.chapter_name(chapter)


@pytest.mark.parametrize("make, message", [
    (lambda path: None, "is not a folder"),
    (lambda path: path.mkdir(), "holds no submissions"),
])
def test_missing_or_empty_folder_is_one_line(tmp_path, make, message):
    make(tmp_path / "inbox")
    with pytest.raises(grading.HomeworkError, match=message):
        homework.grade("01", tmp_path / "inbox")


@pytest.mark.slow
def test_an_assignment_that_was_changed_is_not_overwritten(tmp_path,
                                                           monkeypatch):
    monkeypatch.setattr(homework, "ROOT", tmp_path)
    monkeypatch.setattr(homework, "HOMEWORK", tmp_path / "homework")
    homework.assign("01")
    path, = tmp_path.rglob("*.ipynb")
    homework.assign("1")  # the same again: nothing to lose
    path.write_text("an instructor's own version")
    with pytest.raises(grading.HomeworkError, match="Move it away first"):
        homework.assign("01")
    assert path.read_text() == "an instructor's own version"
