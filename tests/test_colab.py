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

SETUP = nbformat.read(min(NOTEBOOKS.glob("*.ipynb")),
                      as_version=4).cells[1].source
# Colab lacks zhplot; pip is not called but noted down.
BEFORE = """
import importlib.util, subprocess
find_spec, run = importlib.util.find_spec, subprocess.run
importlib.util.find_spec = lambda name: (
    None if name == "zhplot" and LACKS else find_spec(name))
def noted(command, **options):
    if "pip" in map(str, command):
        print("pip", *command[3:-1], command[-1].name)
    else:
        print("git", command[1])
        run(command, **options)
subprocess.run = noted
"""
AFTER = """
import lib.report
print("lib from", pathlib.Path(lib.report.__file__).parent.parent)
"""


@pytest.fixture
def on_colab(tmp_path):
    """A function that runs the setup cell in an empty folder."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("the course has come without its history, or git lacks")
    colab.remote(tmp_path)
    settings = colab.variables(tmp_path)
    content = tmp_path / "content"
    content.mkdir()

    def run(lacks):
        return subprocess.run(
            [sys.executable, "-c", f"LACKS = {lacks}{BEFORE}{SETUP}{AFTER}"],
            capture_output=True, text=True, cwd=content,
            env=os.environ | settings)
    return run


def test_setup_cell_fetches_the_course_once(on_colab, tmp_path):
    first = on_colab(lacks=True)  # zhplot; the second time it is there
    assert first.stdout.splitlines() == [
        "git clone", "pip install -qq -r requirements-colab.txt",
        f"lib from {tmp_path / 'content' / 'course'}"], first.stderr
    (tmp_path / "remote").rename(tmp_path / "gone")
    second = on_colab(lacks=False)
    assert second.stdout == first.stdout.splitlines(True)[-1], second.stderr


def test_setup_cell_stops_where_nothing_can_be_fetched(on_colab, tmp_path):
    (tmp_path / "remote").rename(tmp_path / "gone")
    result = on_colab(lacks=True)
    assert result.returncode != 0
    assert "CalledProcessError" in result.stderr
    assert "lib from" not in result.stdout


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
