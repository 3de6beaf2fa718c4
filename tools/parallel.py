"""The suite on several workers: what `pytest --nbval -n auto` does beyond
pytest-xdist itself. conftest.py loads this; without -n nothing here is done.

- A notebook, or a file of tests, is one worker's, and long ones come first.
- `auto` is as many workers as there are cores, and memory for their kernels.
- The workers share the cores out: each kernel has its part of the threads.
- A cell tagged `timed` runs while the other workers wait.
"""

import collections
import contextlib
import os
import pathlib

import psutil
import pytest
from nbval.plugin import IPyNbCell

from tools.notebooks import NOTEBOOKS

try:
    import fcntl
except ImportError:  # Windows, where a timed cell has company
    fcntl = None

TIMED = "timed"
MEMORY_OF_A_KERNEL = 4e9  # bytes; chapter 06 takes 3.7e9
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
           "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
           "NPROC")  # read by XLA, so by JAX


def core_count():
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_timed(item):
    return (isinstance(item, IPyNbCell)
            and TIMED in item.cell.metadata.get("tags", []))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    kernels = psutil.virtual_memory().available // MEMORY_OF_A_KERNEL
    return int(max(1, min(core_count(), kernels)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False  # longest_first has ordered them
    return LoadFileScheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs):
    threads = max(1, core_count() // len(specs))
    for name in THREADS:  # the workers inherit them, and so do their kernels
        os.environ.setdefault(name, str(threads))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):
        items.sort(key=longest_first(items))


def longest_first(items):
    """A key that sorts items by how long their files are likely to take.

    Chapters, slow tests, other notebooks, other tests; of a kind, those with
    more items first. With small files at the end the workers finish together.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    count = collections.Counter(item.path for item in items)

    def kind(item):
        if item.path.parent == NOTEBOOKS:
            return 0
        if item.path in slow:
            return 1
        return 2 if isinstance(item, IPyNbCell) else 3

    return lambda item: (kind(item), -count[item.path])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    if fcntl is None or not hasattr(item.config, "workerinput"):
        return (yield)
    # xdist puts the temporary folders of a run's workers side by side.
    shared = pathlib.Path(item.config.option.basetemp).parent
    with turn(shared, alone=is_timed(item)):
        return (yield)


@contextlib.contextmanager
def turn(folder, alone):
    """Wait until it is one's turn: alone, or together with others.

    Whoever wants to be alone waits in the door, so that newcomers stay behind
    it: otherwise there might always be somebody in the room. Nobody in the
    room waits for the door, so all get their turn.

    Args:
        folder: path where the workers of a run meet.
        alone: bool, whether the others must have left.
    """
    with (open(folder / "door", "w") as door,
          open(folder / "room", "w") as room):
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            # Closing would not do: a child may have inherited the file.
            fcntl.flock(room, fcntl.LOCK_UN)
