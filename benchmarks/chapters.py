"""Each chapter as `make test` runs it: seconds, and the most memory that its
kernel held at a time. Once each, since all take ten minutes."""

import os
import subprocess
import sys
import tempfile
import time

from benchmarks.timing import progress
from tools.notebooks import NOTEBOOKS, ROOT, chapter_notebooks


def measure():
    """Yield a row for each chapter.

    Raises:
        RuntimeError: a chapter fails.
    """
    for path in chapter_notebooks():
        if path.parent == NOTEBOOKS:
            progress(path.name)
            seconds, gigabytes = run(path)
            progress("")
            yield {"chapter": path.stem, "seconds": round(seconds),
                   "peak memory, GB": round(gigabytes, 1)}


def run(path):
    """Test a notebook strictly, in a process of its own.

    Returns:
        Seconds, and the peak memory in gigabytes of its largest process.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "--nbval", path], cwd=ROOT,
            stdout=output, stderr=output)
        # Unlike getrusage, it tells of this one process and its descendants.
        _, status, used = os.wait4(process.pid, 0)
        if status:
            output.seek(0)
            raise RuntimeError(f"{path.name} fails\n"
                               + output.read().decode("utf-8", "replace"))
    unit = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss
    return time.perf_counter() - start, used.ru_maxrss * unit / 1e9
