"""Run one notebook of homework: a process of its own for each submission.

tools/grading.py starts it, writes a job to it as JSON, and reads a line of
JSON whenever a cell begins or ends. On Linux nothing but its working folder
can be written from here, and what is hidden cannot be read.
"""

import ctypes
import json
import os
import sys

from nbclient import NotebookClient
from nbformat import v4

TIMEOUT = "CellTimeoutError"
WORK_SIZE = b"size=1g"   # of the working folder
LONGEST = 4000           # characters of an error's message that are kept
# Linux: sched.h and sys/mount.h
NEW_MOUNTS, NEW_USER = 0x00020000, 0x10000000
READ_ONLY, REMOUNT, BIND = 1, 32, 4096
RECURSIVE, PRIVATE = 16384, 1 << 18
KEPT_FLAGS = 2 | 4 | 8   # nosuid, nodev, noexec: a remount must repeat them


class Client(NotebookClient):
    """nbclient that drops whatever cells print and draw: an error is in the
    reply of the kernel, and an endless output would fill the memory."""

    def output(self, outs, msg, display_id, cell_index):
        return None


def seal(work, hidden):
    """Leave this process and its children one folder to write to.

    Args:
        work: path of that folder; it is empty, and vanishes with them.
        hidden: paths of folders that are to look empty.

    Raises:
        OSError: this system does not allow it. (AttributeError: it has none
            of this.)
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def call(name, *arguments):
        if getattr(libc, name)(*arguments):
            raise OSError(ctypes.get_errno(), f"{name} failed")

    user, group = os.getuid(), os.getgid()
    call("unshare", NEW_MOUNTS | (NEW_USER if user else 0))
    if user:  # whoever is not root becomes one in a world of his own
        for name, text in (("setgroups", "deny"),
                           ("uid_map", f"{user} {user} 1"),
                           ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    call("mount", None, b"/", None, RECURSIVE | PRIVATE, None)
    for place in mount_points():
        flags = os.statvfs(place).f_flag & KEPT_FLAGS
        call("mount", None, place.encode(), None,
             REMOUNT | BIND | READ_ONLY | flags, None)
    for path in hidden:
        call("mount", b"none", path.encode(), b"tmpfs", READ_ONLY, None)
    call("mount", b"none", work.encode(), b"tmpfs", 0, WORK_SIZE)


def mount_points():
    """Where file systems are mounted, but those of the system itself."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        places = [line.split()[4] for line in file]
    places = [p.encode().decode("unicode_escape") for p in places]  # "\\040"
    return [p for p in dict.fromkeys(places) if os.path.exists(p)
            and not p.startswith(("/proc", "/sys", "/dev", "/run"))]


def run(job, tell):
    """Execute the cells of a job, and tell how each one went.

    Args:
        job: dict of cells (sources) and timeout (seconds for each).
        tell: takes a dict for each event.
    """
    timed_out = []

    def begun(cell, cell_index):
        tell({"begun": cell_index})

    def ended(cell, cell_index, execute_reply):
        content = execute_reply["content"]
        error = None
        if content["status"] == "error":
            error = [content["ename"], str(content["evalue"])[:LONGEST]]
        tell({"ended": cell_index, "error": error})
        if error and error[0] == TIMEOUT:
            timed_out.append(cell_index)
            if cell_index - 1 in timed_out:  # it does not let itself be
                tell({"stuck": cell_index - 1})               # interrupted
                os._exit(1)

    client = Client(
        v4.new_notebook(cells=list(map(v4.new_code_cell, job["cells"]))),
        timeout=job["timeout"], allow_errors=True, interrupt_on_timeout=True,
        kernel_name="python3", record_timing=False, startup_timeout=120,
        error_on_timeout={"ename": TIMEOUT, "evalue": "", "traceback": []},
        extra_arguments=["--HistoryManager.hist_file=:memory:",
                         "--log-level=CRITICAL"],
        on_cell_execute=begun, on_cell_executed=ended)
    client.execute(cwd=os.getcwd())
    tell({"finished": True})


def main():
    job = json.load(sys.stdin)
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    for number in (0, 1, 2):  # a kernel would write to them, too
        os.dup2(os.open(os.devnull, os.O_RDWR), number)

    def tell(event):
        print(json.dumps(event), file=lines, flush=True)

    work = os.getcwd()
    try:
        seal(work, job["hidden"])
    except (OSError, AttributeError, TypeError) as error:
        tell({"unsealed": str(error)})
    os.chdir(work)  # the new folder in this place
    for name in ("tmp", "runtime"):
        os.makedirs(name, exist_ok=True)
    try:
        run(job, tell)
    except Exception as error:  # the kernel has died, as a rule
        tell({"failed": f"{type(error).__name__}: {error}"[:LONGEST]})
        sys.exit(1)


if __name__ == "__main__":
    main()
