"""`make notebooks` stores only what is fit for everybody; set-up says what is
missing and does nothing twice."""

import json
import os
import pathlib
import re
import subprocess
import sys

import nbformat
import pytest
from jupyter_server.extension.config import ExtensionConfigManager
from nbformat import v4

from tools import environment, notebooks

ROOT = notebooks.ROOT


@pytest.fixture
def notebook_of(tmp_path):
    def write(*sources):
        path = tmp_path / "one.ipynb"
        nbformat.write(v4.new_notebook(
            cells=[v4.new_code_cell(source) for source in sources],
            metadata={"language_info": {"name": "python", "version": "2.7"}}),
            path)
        return path
    return write


def test_run_stores_outputs_without_a_trace_of_the_run(notebook_of):
    path = notebook_of("for i in range(3): print(f'\\r{i}', end='')", "1 + 1")
    notebooks.run(path)
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata == notebooks.METADATA
    assert [c.execution_count for c in notebook.cells] == [1, 2]
    assert [c.metadata for c in notebook.cells] == [{}, {}]
    assert notebook.cells[0].outputs[0].text.endswith("2")
    assert "1" not in notebook.cells[0].outputs[0].text
    assert notebook.cells[1].outputs[0].data["text/plain"] == "2"


@pytest.mark.parametrize("source, reason", [
    ("import warnings; warnings.warn('careful')", "writes to stderr"),
    ("import os; print(os.path.realpath('/usr/bin'))", "an absolute path"),
    ("print(r'C:\\Users\\me\\course')", "an absolute path"),
    ("print(object())", "a memory address"),
])
def test_run_refuses_what_must_not_be_stored(notebook_of, source, reason):
    path = notebook_of(source)
    before = path.read_bytes()
    with pytest.raises(notebooks.StoredOutputError, match=reason):
        notebooks.run(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", [
    "Mac/PC 24/7 and/or", "https://example.org/usr/x", "12ms/step", "a/opt/b"])
def test_ordinary_slashes_are_no_path(text):
    assert notebooks.unwanted([v4.new_output("stream", text=text)]) == []


def test_library_logs_are_dropped(notebook_of):
    path = notebook_of("import os, sys\nos.write(2, b'I0000 00:00:1.5 3 x.cc:1"
                       "] oneDNN custom operations are on.\\n')\nprint('ok')")
    notebooks.run(path)
    outputs = nbformat.read(path, as_version=4).cells[0].outputs
    assert [o.name for o in outputs] == ["stdout"]


TRACES = {
    "metadata are those of an editor": lambda notebook, cell: notebook
    .metadata.kernelspec.update(display_name="Python 3 (ipykernel)"),
    "not run in order": lambda notebook, cell: cell.update(execution_count=7),
    "times of its run": lambda notebook, cell: cell.metadata.update(
        execution={"iopub.status.busy": "2026"}),
    "stored stderr": lambda notebook, cell: cell.outputs.append(
        v4.new_output("stream", name="stderr", text="I0000 00:00:17 a log")),
    "stored error": lambda notebook, cell: cell.outputs.append(
        v4.new_output("error", ename="E", evalue="", traceback=[])),
    "an absolute path": lambda notebook, cell: cell.outputs.append(
        v4.new_output("stream", text="/home/anna/x")),
}


@pytest.mark.slow
@pytest.mark.parametrize("reason", TRACES)
def test_traces_of_an_editor_are_found(notebook_of, reason):
    path = notebook_of("1 + 1")
    notebooks.run(path)
    notebook = nbformat.read(path, as_version=4)
    assert notebooks.untidy(notebook) == []
    TRACES[reason](notebook, notebook.cells[-1])
    found, = notebooks.untidy(notebook)
    assert reason in found


@pytest.mark.slow
def test_the_check_says_what_to_type(monkeypatch, notebook_of, capsys):
    path = notebook_of("1 + 1")
    monkeypatch.setattr(notebooks, "ROOT", path.parent)
    with pytest.raises(SystemExit, match="make notebooks CHAPTER"):
        notebooks.check([path])
    assert f"{path.name}: its cells were not run" in capsys.readouterr().out
    notebooks.run(path)
    notebooks.check([path])


def test_unknown_chapter_lists_those_there_are():
    with pytest.raises(SystemExit, match="no chapter '99'.*01"):
        notebooks.chapter_notebooks("99")


def test_one_chapter_means_chapter_and_solutions():
    assert {path.parent.name for path in notebooks.chapter_notebooks("1")} == {
        "notebooks", "solutions"}


@pytest.mark.parametrize("error, told", [
    ("KeyboardInterrupt", "Stopped.\n"), ("ValueError(7)", "ValueError: 7\n")])
def test_ctrl_c_is_no_error_even_while_a_tool_is_imported(error, told):
    done = subprocess.run(
        [sys.executable, "-c", f"import tools; raise {error}"],
        cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stderr.endswith(told)
    assert ("Traceback" in done.stderr) == (error != "KeyboardInterrupt")


# ---- tools/environment.py

@pytest.mark.parametrize("version", [(3, 9, 1), (3, 14, 0), (2, 7, 18)])
def test_wrong_python_is_named(monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(SystemExit, match=r"needs 3\.10 to 3\.13"):
        environment.check_python()


def test_full_disk_is_named(monkeypatch):
    usage = type("Usage", (), {"free": 1_200_000_000})
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(SystemExit, match=r"Only 1\.2 GB are free"):
        environment.check_disk()


def test_environment_is_current_until_the_lock_changes(tmp_path, monkeypatch):
    for name in ("LOCK", "STAMP", "PYTHON"):
        monkeypatch.setattr(environment, name, str(tmp_path / name))
    (tmp_path / "LOCK").write_text("numpy==2.0\n")
    assert not environment.is_current()
    (tmp_path / "PYTHON").touch()
    (tmp_path / "STAMP").write_text(environment.fingerprint())
    assert environment.is_current()
    (tmp_path / "LOCK").write_text("numpy==2.1\n")
    assert not environment.is_current()


def test_failed_installation_leaves_no_stamp(tmp_path, monkeypatch):
    (tmp_path / "stamp").write_text("of an earlier lock file")
    monkeypatch.setattr(environment, "STAMP", str(tmp_path / "stamp"))
    monkeypatch.setattr(environment, "PYTHON", sys.executable)
    monkeypatch.setattr(environment, "LOCK", str(tmp_path / "missing.lock"))
    with pytest.raises(SystemExit, match="Call this again"):
        environment.install()
    assert not (tmp_path / "stamp").exists()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder that is to get an environment."""
    venv = tmp_path / ".venv"
    python = pathlib.Path(environment.PYTHON).relative_to(ROOT / ".venv")
    lock = tmp_path / "requirements.lock"
    lock.write_text("")
    for name, path in (("VENV", venv), ("PYTHON", venv / python),
                       ("STAMP", venv / "course-installed.txt"),
                       ("LOCK", lock)):
        monkeypatch.setattr(environment, name, str(path))
    return tmp_path


def test_readers_do_not_see_the_pages_for_instructors(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "VENV", str(tmp_path))
    environment.write_settings()
    scripts = "".join(path.read_text("utf-8") for path in pathlib.Path(
        sys.prefix, "share/jupyter/labextensions/@jupyter/nbgrader/static"
        ).glob("*.js"))
    plugins = set(re.findall('"(@jupyter/nbgrader:[a-z-]+)"', scripts))
    page = json.loads((tmp_path / "etc/jupyter/labconfig/page_config.json"
                       ).read_text())
    assert plugins - set(page["disabledExtensions"]) == {
        "@jupyter/nbgrader:validate-assignment"}
    config = ExtensionConfigManager(read_config_path=[
        str(pathlib.Path(prefix, "etc/jupyter"))
        for prefix in (tmp_path, sys.prefix)])
    started = [name for name, on in config.get_jpserver_extensions().items()
               if on and name.startswith("nbgrader")]
    assert started == ["nbgrader.server_extensions.validate_assignment"]


@pytest.mark.slow
def test_half_made_environment_is_made_anew(place):
    """A venv without pip, as a stopped installation leaves behind."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip",
                    environment.VENV], check=True)
    assert not environment.can_be_kept()
    environment.main()
    assert environment.can_be_kept() and environment.is_current()


def whole(place, first_line):
    """A working environment, as far as can be seen from outside."""
    python = pathlib.Path(environment.PYTHON)
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    pathlib.Path(environment.STAMP).write_text(first_line + "\nof old")


@pytest.mark.parametrize("line, kept", [
    (environment.kind, True), (lambda: "3.9 " + environment.VENV, False),
    (lambda: environment.kind() + " of another place", False)])
def test_an_environment_of_another_python_or_place_is_not_kept(
        place, line, kept):
    whole(place, line())
    assert environment.can_be_kept() == kept


@pytest.mark.parametrize("fails", ["make_environment", "install"])
def test_what_worked_is_back_where_no_new_one_can_be_made(
        place, monkeypatch, fails):
    whole(place, "3.9 " + environment.VENV)
    for name in ("make_environment", "install"):
        monkeypatch.setattr(environment, name, lambda: None)
    monkeypatch.setattr(environment, fails, lambda: sys.exit("no network"))
    with pytest.raises(SystemExit, match="no network"):
        environment.main()
    assert environment.stamp() == f"3.9 {environment.VENV}\nof old"
    assert sorted(path.name for path in place.iterdir()) == [
        ".venv", "requirements.lock"]


def test_a_change_of_the_lock_needs_no_room_for_all(place, monkeypatch):
    whole(place, environment.kind())
    monkeypatch.setattr(environment, "check_disk", lambda: sys.exit("full"))
    monkeypatch.setattr(environment, "install", lambda: None)
    environment.main()


def test_a_file_in_the_place_of_the_environment_is_named(place):
    (place / ".venv").write_text("")
    with pytest.raises(SystemExit, match="The file .venv stands"):
        environment.main()


def test_environment_script_is_readable_for_an_old_python():
    text = (ROOT / "tools" / "environment.py").read_bytes()
    assert text.isascii() and b'f"' not in text


def test_requirements_are_explained_and_locked():
    lock = (ROOT / "requirements.lock").read_text("utf-8").lower()
    for name in ("requirements.txt", "requirements-colab.txt"):
        for line in (ROOT / name).read_text("utf-8").splitlines():
            if line and not line.startswith("#"):
                requirement, _, reason = line.partition("#")
                assert reason.strip(), f"say why: {line}"
                name = requirement.split("=")[0].rstrip("><").lower()
                assert f"\n{name}==" in lock


def test_make_help_has_a_line_for_every_target():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = makefile.partition(".PHONY: ")[2].partition("\n")[0].split()
    for target in targets:
        assert f"\n{target}: " in makefile
        line = makefile.partition(f"\n{target}: ")[2].partition("\n")[0]
        assert "## " in line


# ---- .ci/run, with a make that only notes down what it is asked for

MAKE = """#!/bin/sh
echo "$@" >>"$NOTES"
case "$1" in "$FAILS") echo "$SAYS" >&2; exit 2;; esac
"""
BEFORE, AFTER = ["lint", "backends"], [
    "test", "quick BACKEND=jax", "quick BACKEND=torch"]
CANNOT_BE_HAD = "ERROR: No matching distribution found for torch==2.13.0"
NO_NETWORK = ("WARNING: Retrying (Retry(total=4, connect=None)) after "
              "connection broken\n" + CANNOT_BE_HAD)


@pytest.mark.skipif(sys.platform == "win32", reason="bash runs it elsewhere")
@pytest.mark.parametrize("fails, says, success, asked", [
    ("nothing", "", True, BEFORE + AFTER),
    ("lint", "", False, BEFORE[:1]),
    ("backends", CANNOT_BE_HAD, True, BEFORE + AFTER[:1]),
    ("backends", NO_NETWORK, False, BEFORE),
    ("backends", "ERROR: No space left on device", False, BEFORE),
    ("test", "", False, BEFORE + AFTER[:1]),
    ("quick", "", False, BEFORE + AFTER[:2])])
def test_ci_runs_everything_and_swallows_no_failure(
        tmp_path, fails, says, success, asked):
    (tmp_path / "make").write_text(MAKE)
    (tmp_path / "make").chmod(0o755)
    run = subprocess.run(
        ["bash", ROOT / ".ci" / "run"], capture_output=True, text=True,
        env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
             "NOTES": str(tmp_path / "notes"), "FAILS": fails, "SAYS": says})
    assert (run.returncode == 0) == success
    assert (tmp_path / "notes").read_text().splitlines() == asked
    assert says in run.stdout
    assert ("not tested" in run.stdout) == (success and fails != "nothing")


def test_github_calls_the_same_script_with_every_python():
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8")
    assert "- run: bash .ci/run\n" in workflow
    for action in re.findall(r"uses: (.*)", workflow):
        assert re.fullmatch(r"\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)
    (_, oldest), (_, newest) = environment.OLDEST, environment.NEWEST
    for minor in range(oldest, newest + 1):
        assert f'python: "3.{minor}"' in workflow
