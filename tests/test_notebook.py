"""lib.notebook: what the setup cell keeps out of a notebook."""

import os

import pytest
from nbclient import NotebookClient
from nbformat import v4

from lib import notebook
from tools.notebooks import NOTEBOOKS, code_cells

SETUP = code_cells(min(NOTEBOOKS.glob("*.ipynb")))[0].source
HARMLESS = [
    "WARNING: All log messages before absl::InitializeLog() is called are "
    "written to STDERR",
    "I0000 00:00:1795759495.778902    1939 port.cc:153] oneDNN custom "
    "operations are on.",
    "W0000 00:00:1795759495.778902    1939 gpu_device.cc:2] Skipping",
    "E0000 00:00:1795759498.406797    1939 cuda_platform.cc:52] failed call "
    "to cuInit: INTERNAL: CUDA error: UNKNOWN ERROR (303)",
    "2026-08-19 12:00:00.123456: I tensorflow/core/util/port.cc:153] oneDNN",
    "To enable the following instructions: AVX2 FMA, in other operations, "
    "rebuild TensorFlow with the appropriate compiler flags."]
TELLING = [
    "E0000 00:00:1795759498.406797    1939 cuda_dnn.cc:9] no memory left",
    "F0000 00:00:1795759498.406797    1939 thread.cc:7] Check failed",
    "2026-08-19 12:00:00.123456: E tensorflow/core/x.cc:1] it failed",
    "UserWarning: 3 of 4 values are missing", "Input 7 is wrong", ""]


def shown(text):
    return notebook.HARMLESS_LOG.sub(b"", text.encode()).decode()


@pytest.mark.parametrize("line", HARMLESS)
def test_a_line_that_says_nothing_is_dropped(line):
    assert shown(line) == shown(line + "\n") == ""
    assert shown(f"a\n{line}\nb\n") == "a\nb\n"


@pytest.mark.parametrize("line", TELLING)
def test_any_other_line_stays(line):
    assert shown(f"{line}\n{HARMLESS[0]}\n{line}") == f"{line}\n{line}"


@pytest.fixture
def outputs(monkeypatch):
    """A function that says what each cell shows, run after the setup cell: a
    list of outputs each."""
    def run(*sources):
        # The setup cell twice: it may be run again.
        made = v4.new_notebook(cells=[
            v4.new_code_cell(source) for source in (SETUP, SETUP, *sources)])
        # Below pytest a kernel does not listen to what compiled code writes.
        monkeypatch.delenv("PYTEST_CURRENT_TEST")
        NotebookClient(made, timeout=120, allow_errors=True,
                       coalesce_streams=True, kernel_name="python3",
                       resources={"metadata": {"path": NOTEBOOKS}}).execute()
        return [cell.outputs for cell in made.cells[2:]]
    return run


@pytest.mark.slow
def test_compiled_code_is_heard_where_it_has_something_to_say(outputs):
    lines = "".join(line + "\n" for line in (HARMLESS[0], *TELLING[:2],
                                             HARMLESS[1]))
    written, after = outputs(
        f"import os, time\nos.write(2, {lines!r}.encode()); time.sleep(0.5)",
        "print(1)")
    assert [(o.name, o.text) for o in written if "name" in o] == [
        ("stderr", "".join(line + "\n" for line in TELLING[:2]))]
    assert [o.text for o in after] == ["1\n"]


@pytest.mark.slow
def test_tensorflow_fills_no_red_box(outputs):
    shown = outputs(
        "import keras, time\nimport tensorflow as tf",
        "import numpy as np\nmodel = keras.Sequential([keras.layers.Dense(1)])"
        "\nmodel.compile('sgd', 'mse', jit_compile=True)\n"
        "model.fit(np.zeros((4, 2)), np.zeros(4), verbose=0)\n"
        "time.sleep(0.5)")
    assert [o.name for cell in shown for o in cell if "name" in o] == []


@pytest.mark.slow
def test_an_exercise_that_is_not_solved_is_told_in_a_line(outputs):
    stub, other = outputs(
        "def pad():\n    raise NotImplementedError('not solved yet')\npad()",
        "def f():\n    raise NotImplementedError('bfloat16')\nf()")
    assert stub[0].traceback == ["not solved yet"]
    assert "bfloat16" in other[0].traceback[-1]
    assert len(other[0].traceback) > 2


@pytest.mark.parametrize("backend", ["jax", None])
def test_outside_a_notebook_only_variables_are_set(backend, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", backend or "to be put back")
    if not backend:
        monkeypatch.delenv("KERAS_BACKEND")
    before = os.fstat(2)
    notebook.prepare()
    assert os.environ["KERAS_BACKEND"] == (backend or "tensorflow")
    assert os.path.samestat(before, os.fstat(2))
