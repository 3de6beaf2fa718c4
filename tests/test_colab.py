"""The setup cell on Colab, and the tools that keep the course fit for it.

`make colab` runs whole chapters with Colab's versions; here a stand-in for
google.colab, and a bare repository in place of GitHub, must do.
"""

import os
import shutil
import subprocess
import sys

import nbformat
import pytest

from tools import badges, colab, colab_drift
from tools.notebooks import NOTEBOOKS, ROOT

SETUP = nbformat.read(NOTEBOOKS / "05_transformer_classifier.ipynb",
                      as_version=4).cells[1].source
# In place of pip, a program that notes down what it is called with.
BEFORE = """
import sys
sys.executable = "./python"
"""
AFTER = """
import lib.report
print("lib from", pathlib.Path(lib.report.__file__).parent.parent)
"""
PIP = """#!/bin/sh
echo "$@" >> ../pip.txt
exit $PIP_FAILS
"""


@pytest.fixture
def on_colab(tmp_path):
    """A function that runs the setup cell in an empty folder, again and
    again, and says what it printed, what it told as an error, and what pip was
    called with."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("the course has come without its history, or git lacks")
    colab.remote(tmp_path)
    settings = colab.variables(tmp_path)
    content = tmp_path / "content"
    (content / "course").mkdir(parents=True)
    program = content / "course" / "python"
    program.write_text(PIP)
    program.chmod(0o755)

    def run(pip_fails=0):
        (content / "pip.txt").write_text("")
        done = subprocess.run(
            [sys.executable, "-c", BEFORE + SETUP + AFTER],
            capture_output=True, text=True, cwd=content,
            env=os.environ | settings | {"PIP_FAILS": str(pip_fails)})
        return (done.stdout.splitlines(), done.stderr,
                (content / "pip.txt").read_text())
    return run


def test_setup_cell_fetches_once_what_the_notebook_needs(on_colab, tmp_path):
    course = tmp_path / "content" / "course"
    printed, error, pip = on_colab()
    assert printed == ["Fetching from GitHub and PyPI: lib snownlp zhplot …",
                       f"lib from {course}"], error
    assert pip == "-m pip install -qqc requirements-colab.txt snownlp zhplot\n"
    assert {path.name for path in course.iterdir()} == {
        ".git", "lib", "requirements-colab.txt", "python"}
    (tmp_path / "remote").rename(tmp_path / "gone")
    assert on_colab() == ([f"lib from {course}"], "", "")


def test_setup_cell_says_what_to_do_where_nothing_can_be_fetched(on_colab,
                                                                 tmp_path):
    (tmp_path / "remote").rename(tmp_path / "gone")
    printed, error, _ = on_colab()
    assert "ModuleNotFoundError: Run this cell again. fatal: " in error
    assert "CalledProcessError" not in error and len(printed) == 1
    (tmp_path / "gone").rename(tmp_path / "remote")
    assert "ModuleNotFoundError: Run this cell again." in on_colab(1)[1]
    printed, error, _ = on_colab()  # and then it works
    assert printed[-1].startswith("lib from"), error


def test_every_file_has_the_address_of_pyproject():
    for path in badges.files():
        assert f"github.com/{badges.repository()}" in path.read_text("utf-8")


@pytest.fixture
def course(tmp_path):
    """A copy of all that holds the course's address."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for path in badges.files():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return tmp_path


def test_badges_move_everywhere_and_back(course):
    old = badges.repository(course)
    originals = {path: path.read_bytes() for path in badges.files(course)}
    assert badges.move("somebody/a.course", course) == len(originals)
    assert badges.repository(course) == "somebody/a.course"
    for path in originals:
        text = path.read_text("utf-8")
        assert old not in text
        assert "github.com/somebody/a.course" in text
        if path.suffix == ".ipynb":
            assert "/github/somebody/a.course/blob/main/notebooks" in text
            nbformat.validate(nbformat.reads(text, as_version=4))
    assert badges.move("somebody/a.course", course) == 0
    badges.move(old, course)
    assert originals == {path: path.read_bytes() for path in originals}


@pytest.mark.parametrize("name", ["course", "https://github.com/a/b", "a/b/c",
                                  "a b/c", "/c", "a/b.git", "a/..", ""])
def test_badges_refuse_what_is_no_repository(course, name):
    before = (course / "pyproject.toml").read_bytes()
    with pytest.raises(ValueError, match="owner/name"):
        badges.move(name, course)
    assert (course / "pyproject.toml").read_bytes() == before


def drift(freeze, needed="keras>=3.12,<3.16\nsnownlp==0.12.3",
          fetched="snownlp==0.12.3"):
    return colab_drift.drift(colab_drift.frozen(freeze),
                             *map(colab_drift.requirements,
                                  (needed, fetched)))


@pytest.mark.slow
def test_versions_of_colab_that_are_on_record_fit():
    command = [sys.executable, "-m", "tools.colab_drift"]
    result = subprocess.run([*command, colab.VERSIONS], cwd=ROOT, text=True,
                            capture_output=True)
    assert result.returncode == 0, result.stdout + result.stderr
    result = subprocess.run([*command, ROOT / "LICENSE"], cwd=ROOT, text=True,
                            capture_output=True)
    assert result.returncode != 0
    assert "pip freeze" in result.stderr


@pytest.mark.parametrize("freeze, sentence", [
    ("keras==3.16.0", "keras 3.16.0: requirements.txt says <3.16,>=3.12"),
    ("Keras==3.11.0+local", "keras 3.11.0+local: requirements.txt says"),
    ("torch==2.0", "keras: no longer there"),
    ("keras==3.13.2\nsnownlp==0.13.0", "snownlp 0.13.0: requirements.txt"),
])
def test_drift_is_named(freeze, sentence):
    problem, = drift(freeze)
    assert problem.startswith(sentence)


def test_requirements_that_contradict_each_other_are_named():
    problem, = drift("keras==3.14.0", fetched="snownlp==0.12.2")
    assert problem == ("snownlp: requirements-colab.txt says ==0.12.2, "
                       "requirements.txt ==0.12.3")


def test_no_drift_where_all_fits():
    assert drift("# some comment\nkeras==3.14.0\nx @ file:///x\n") == []
