"""The strict notebook run: what `pytest --nbval` does beyond nbval itself.

- The number after "≈", printed by lib.report.measured, is masked; of a picture
  its description is compared, not its pixels.
- stderr is not compared, because TensorFlow logs there about the machine, but
  any other line on it fails the cell.
- A cell tagged `compiled-only` makes a claim about the speed of compiled code;
  the PyTorch backend of Keras does not compile, so it is skipped there.
- Nothing that the user has configured reaches a run.
- A kernel that dies is noticed at once, not when the cell's time is over.
- `--seed` runs the notebooks with another seed, to show that the bounds hold.

tools/parallel.py adds what a run on several workers needs.
"""

import os
import pathlib
import queue
import re
import shutil
import tempfile
import time

import pytest
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell, IPyNbFile

from tools.notebooks import foreign_stderr, own_settings

pytest_plugins = ["tools.parallel"]

MEASURED = r"\u2248 -?\d+\.\d{4} (?=\((?:at least|at most|between) )"
PIXELS = r"data:image/png;base64,[\w+/=]+"
COMPILED_ONLY = "compiled-only"
SET_SEED = re.compile(r"set_random_seed\(\d+\)")


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, help="run the notebooks with this "
                     "seed in place of their own")


def pytest_configure(config):
    if not hasattr(config, "workerinput"):  # workers inherit the variables
        folder = tempfile.mkdtemp()
        os.environ.update(own_settings(pathlib.Path(folder)))
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def noticing_death(get_message):
    """RunningKernel.get_message that does not wait for a dead kernel."""
    def get(kernel, stream, timeout=None):
        end = time.monotonic() + (float("inf") if timeout is None else timeout)
        while True:
            left = max(end - time.monotonic(), 0)
            try:
                return get_message(kernel, stream, timeout=min(left, 1))
            except queue.Empty:
                if not kernel.is_alive():
                    raise RuntimeError("The kernel died in this cell: not "
                                       "enough memory?") from None
                if left <= 1:
                    raise
    return get


RunningKernel.get_message = noticing_death(RunningKernel.get_message)


def pytest_collectstart(collector):
    if isinstance(collector, IPyNbFile):
        collector.skip_compare += ("stderr",)
        collector.sanitize_patterns[MEASURED] = "\u2248 MEASURED "
        collector.sanitize_patterns[PIXELS] = "PIXELS"


def pytest_collection_modifyitems(config, items):
    seed = config.getoption("--seed")
    for item in items:
        if not isinstance(item, IPyNbCell):
            continue
        if seed is not None:
            item.cell.source = SET_SEED.sub(f"set_random_seed({seed})",
                                            item.cell.source)
        if (os.environ.get("KERAS_BACKEND") == "torch"
                and COMPILED_ONLY in item.cell.metadata.get("tags", [])):
            item.add_marker(pytest.mark.skip("about compiled code"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    result = yield
    if isinstance(item, IPyNbCell):
        text = foreign_stderr(item.test_outputs)
        if text:
            item.raise_cell_error("The cell writes to stderr", text)
    return result


def pytest_terminal_summary(terminalreporter):
    reports = [report for kind in ("passed", "failed")
               for report in terminalreporter.getreports(kind)]
    cells = [r.nodeid for r in reports if ".ipynb::" in r.nodeid]
    notebooks = {nodeid.split("::")[0] for nodeid in cells}
    terminalreporter.write_line(
        f"{len(notebooks)} notebooks, {len(cells)} code cells, "
        f"{len(reports) - len(cells)} other tests")
