"""The strict run notices what it must, and nothing else.

A small notebook with right and wrong stored outputs goes through
`pytest --nbval` with the rules of conftest.py, once.
"""

import json
import os
import re
import subprocess
import sys
import time

import nbformat
import pytest
from nbformat import v4

from tools.notebooks import ROOT

pytestmark = pytest.mark.slow  # kernels start here

MEASURE = ("from lib.report import measured\n"
           "measured('accuracy', 0.5, at_least={bound})")
LOG_LINE = "I0000 00:00:1795384343.542536 3374 port.cc:153] oneDNN is on."


def stream(text):
    return v4.new_output("stream", name="stdout", text=text)


def picture(alt, width=7):
    return v4.new_output("display_data", data={
        "text/plain": alt, "image/png": "AAAA", "text/html": IMAGE.format(
            alt=alt, width=width, pixels="AAAA+/==")})


IMAGE = ('<img alt="{alt}" width="{width}" '
         'src="data:image/png;base64,{pixels}">')
SHOW = ("from IPython.display import display\n"
        "display({'text/plain': 'A rising line.', 'image/png': 'BBBB', "
        f"'text/html': {IMAGE!r}.format(alt='A rising line.', width=7, "
        "pixels='BBBB')}, raw=True)")

# name: (passes, source, stored output, tags)
CELLS = {
    "same output": (True, "print('a')", stream("a\n"), []),
    "one character differs": (False, "print('a')", stream("b\n"), []),
    "output missing": (False, "pass", stream("a\n"), []),
    "output new": (False, "print('a')", None, []),
    "measured number differs": (
        True, MEASURE.format(bound=0.4),
        stream("accuracy ≈ 0.4711 (at least 0.4)\n"), []),
    "bound in the text differs": (
        False, MEASURE.format(bound=0.4),
        stream("accuracy ≈ 0.5000 (at least 0.3)\n"), []),
    "name in the text differs": (
        False, MEASURE.format(bound=0.4),
        stream("precision ≈ 0.5000 (at least 0.4)\n"), []),
    "bound fails": (
        False, MEASURE.format(bound=0.6),
        stream("accuracy ≈ 0.7000 (at least 0.6)\n"), []),
    "number after ≈ without a bound differs": (
        False, "print('x ≈ 0.5100')", stream("x ≈ 0.5200\n"), []),
    "number without ≈ differs": (False, "print(0.51)", stream("0.52\n"), []),
    "text of a picture differs": (False, SHOW, picture("A falling line."), []),
    "text of a picture is the same": (
        True, SHOW, picture("A rising line."), []),
    "size of a picture differs": (
        False, SHOW, picture("A rising line.", width=8), []),
    "warning on stderr": (
        False, "import warnings\nwarnings.warn('careful')", None, []),
    "log line of TensorFlow on stderr": (
        True, f"import sys\nprint({LOG_LINE!r}, file=sys.stderr)", None, []),
    "exempt output differs": (
        True, "print('a')", stream("b\n"), ["nbval-ignore-output"]),
    "warning in an exempt cell": (
        False, "import warnings\nwarnings.warn('again')", None,
        ["nbval-ignore-output"]),
    "unexpected exception": (False, "1 / 0", None, []),
    "expected exception, not run yet": (
        True, "raise NotImplementedError()", None, ["raises-exception"]),
    "a user's settings of Keras do not reach it": (
        True, "import os\n"
        "print('keras.json' in os.listdir(os.environ['KERAS_HOME']))",
        stream("False\n"), []),
    "--seed replaces the seed": (
        True, "class keras: set_random_seed = print\nkeras.set_random_seed(1)",
        stream("7\n"), []),
}


def strict_run(path, **variables):
    """Run a notebook as `pytest --nbval --seed=7` would."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "--seed=7", "-rA",
         "-p", "conftest", f"--rootdir={ROOT}", "-c", ROOT / "pyproject.toml",
         "-p", "no:cacheprovider", path],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT),
             "PYTHONIOENCODING": "utf-8", **variables})


def configured(folder):
    """Variables that lead to a user's own Keras settings, and to a kernel of
    another environment."""
    (folder / "keras.json").write_text('{"floatx": "float64"}')
    kernel = folder / "kernels/python3/kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({
        "argv": ["no-such-python", "{connection_file}"],
        "display_name": "Python 3", "language": "python"}))
    return {"KERAS_HOME": str(folder), "JUPYTER_PATH": str(folder)}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Dict of name → whether the cell passed."""
    notebook = v4.new_notebook()
    for name, (_, source, output, tags) in CELLS.items():
        notebook.cells.append(v4.new_code_cell(
            source, outputs=[output] if output else [],
            execution_count=None if "not run" in name else 1,
            metadata={"tags": tags}))
    path = tmp_path_factory.mktemp("strict") / "cells.ipynb"
    nbformat.write(notebook, path)
    run = strict_run(path, **configured(tmp_path_factory.mktemp("user")))
    found = re.findall(r"^(PASSED|FAILED) .*::Cell (\d+)", run.stdout,
                       re.MULTILINE)
    assert len(found) == len(CELLS), run.stdout + run.stderr
    passed = {int(number): result == "PASSED" for result, number in found}
    return {name: passed[i] for i, name in enumerate(CELLS)}


@pytest.mark.parametrize("name", CELLS)
def test_cell(name, outcomes):
    assert outcomes[name] == CELLS[name][0]


@pytest.mark.parametrize("backend, outcome", [
    ("torch", "1 passed, 1 skipped"), ("jax", "1 failed, 1 passed")])
def test_claims_about_compiled_code_are_skipped_on_pytorch(
        backend, outcome, tmp_path):
    nbformat.write(v4.new_notebook(cells=[
        v4.new_code_cell("1 / 0", execution_count=1,
                         metadata={"tags": ["compiled-only"]}),
        v4.new_code_cell("pass", execution_count=2)]), tmp_path / "two.ipynb")
    run = strict_run(tmp_path / "two.ipynb", KERAS_BACKEND=backend)
    assert outcome in run.stdout


def test_a_kernel_that_dies_is_noticed_at_once(tmp_path):
    nbformat.write(v4.new_notebook(cells=[
        v4.new_code_cell("import os\nos._exit(1)", execution_count=1),
        v4.new_code_cell("1", execution_count=2)]), tmp_path / "dies.ipynb")
    start = time.monotonic()
    run = strict_run(tmp_path / "dies.ipynb")
    assert "The kernel died in this cell" in run.stdout
    assert "2 failed" in run.stdout
    assert time.monotonic() - start < 60  # the cell would have 300
