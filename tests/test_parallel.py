"""Several workers: files stay whole, threads are shared out, and whoever
times something is alone."""

import os
import subprocess
import sys
import threading
import time
import types

import nbformat
import pytest
from nbformat import v4

from tools import parallel
from tools.notebooks import NOTEBOOKS, ROOT

needs_lock = pytest.mark.skipif(parallel.fcntl is None,
                                reason="no file locks on Windows")


def memory_of(monkeypatch, gigabytes, cores):
    monkeypatch.setattr(parallel, "core_count", lambda: cores)
    monkeypatch.setattr(
        parallel.psutil, "virtual_memory",
        lambda: types.SimpleNamespace(available=gigabytes * 1e9))


@pytest.mark.parametrize("gigabytes, cores, workers", [
    (20, 2, 2), (20, 16, 5), (7, 4, 1), (1, 4, 1)])
def test_as_many_workers_as_cores_and_memory_allow(
        monkeypatch, gigabytes, cores, workers):
    memory_of(monkeypatch, gigabytes, cores)
    assert parallel.pytest_xdist_auto_num_workers() == workers


def test_long_files_come_first_and_stay_whole():
    def items(path, *slow):
        return [types.SimpleNamespace(
            path=path, number=number, get_closest_marker=lambda name, s=s: s)
            for number, s in enumerate(slow)]

    brief = items(ROOT / "tests" / "test_brief.py", False)
    wide = items(ROOT / "tests" / "test_wide.py", False, False)
    slow = items(ROOT / "tests" / "test_slow.py", False, True)
    chapter = items(NOTEBOOKS / "01.ipynb", False, False)
    collected = brief + wide + slow + chapter
    assert sorted(collected, key=parallel.longest_first(collected)) == (
        chapter + slow + wide + brief)


@needs_lock
def test_who_wants_to_be_alone_gets_it_although_newcomers_never_cease(
        tmp_path):
    together, done = [], threading.Event()

    def visit():
        while not done.is_set():
            with parallel.turn(tmp_path, alone=False):
                together.append(None)
                time.sleep(0.02)
                together.pop()

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    try:
        for _ in range(10):
            start = time.monotonic()
            with parallel.turn(tmp_path, alone=True):
                assert time.monotonic() - start < 5
                for _ in range(5):
                    assert together == []
                    time.sleep(0.002)
    finally:
        done.set()
        for visitor in visitors:
            visitor.join()


CELL = """import os, time
start = time.monotonic()
time.sleep({seconds})
with open("log.txt", "a") as file:
    print({name!r}, start, time.monotonic(), os.getpid(),
          os.environ["OMP_NUM_THREADS"], file=file)"""


def write(path, *tags):
    nbformat.write(v4.new_notebook(cells=[
        v4.new_code_cell(CELL.format(name=path.stem, seconds=0.2),
                         execution_count=number, metadata={"tags": tag})
        for number, tag in enumerate(tags, start=1)]), path)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Lines of what two notebooks, run by two workers, write into a file."""
    folder = tmp_path_factory.mktemp("parallel")
    write(folder / "plain.ipynb", *[[]] * 12)
    write(folder / "timed.ipynb", *[["timed"], []] * 4)
    variables = {name: value for name, value in os.environ.items()
                 if name not in parallel.THREADS}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "-n", "2", "-p",
         "conftest", "--rootdir", folder, "-c", ROOT / "pyproject.toml",
         "-p", "no:cacheprovider", folder], cwd=ROOT, capture_output=True,
        text=True, env=variables | {"PYTHONPATH": str(ROOT)})
    assert run.returncode == 0, run.stdout + run.stderr
    return [line.split() for line in
            (folder / "log.txt").read_text().splitlines()]


@pytest.mark.slow
def test_a_notebook_is_run_by_one_kernel(log):
    kernels = {(name, kernel) for name, _, _, kernel, _ in log}
    assert {name for name, _ in kernels} == {"plain", "timed"}
    assert len(kernels) == 2


@pytest.mark.slow
def test_the_workers_share_the_cores_out(log):
    assert {threads for *_, threads in log} == {
        str(max(1, parallel.core_count() // 2))}


@needs_lock
@pytest.mark.slow
def test_nobody_runs_beside_a_timed_cell(log):
    spans = {name: [(float(start), float(end))
                    for who, start, end, *_ in log if who == name]
             for name in ("plain", "timed")}

    def beside(start, end):
        return any(a < end and start < b for a, b in spans["plain"])

    assert not any(beside(*span) for span in spans["timed"][::2])
    assert any(beside(*span) for span in spans["timed"][1::2])
