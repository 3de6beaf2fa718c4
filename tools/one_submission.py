"""Run one notebook of homework: a process of its own for each submission.

tools/grading.py starts it, writes a job to it as JSON, and reads a line of
JSON whenever a cell begins or ends.
"""

import json
import os
import sys

from nbclient import NotebookClient
from nbformat import v4

TIMEOUT = "CellTimeoutError"
WORK_SIZE = 10**9        # bytes of the working folder
LONGEST = 4000           # characters of an error's message that are kept
NO_EXIT = "get_ipython().ask_exit = lambda: None"  # exit() ends no kernel


class Client(NotebookClient):
    """nbclient that drops whatever cells print and draw: an error is in the
    reply of the kernel, and an endless output would fill the memory.

    started: numbers of the cells that the kernel has begun to execute.
    """

    started = frozenset()

    def output(self, outs, msg, display_id, cell_index):
        return None

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "execute_input":
            self.started |= {cell_index}
        return super().process_message(msg, cell, cell_index)


def run(job, tell):
    """Execute the cells of a job, and tell how each one went.

    Args:
        job: dict of cells (sources) and timeout (seconds for each).
        tell: takes a dict for each event.
    """
    def begun(cell, cell_index):
        tell({"begun": cell_index})

    def ended(cell, cell_index, execute_reply):
        content = execute_reply["content"]
        error = None
        if content["status"] == "error":
            error = [content["ename"], str(content["evalue"])[:LONGEST]]
        tell({"ended": cell_index, "error": error})
        if error and error[0] == TIMEOUT and cell_index not in client.started:
            # The one before it does not let itself be interrupted.
            tell({"stuck": max(client.started, default=cell_index)})
            os._exit(1)

    client = Client(
        v4.new_notebook(cells=list(map(v4.new_code_cell, job["cells"]))),
        timeout=job["timeout"], allow_errors=True, interrupt_on_timeout=True,
        kernel_name="python3", record_timing=False, startup_timeout=120,
        error_on_timeout={"ename": TIMEOUT, "evalue": "", "traceback": []},
        extra_arguments=["--HistoryManager.hist_file=:memory:",
                         "--log-level=CRITICAL",
                         f"--IPKernelApp.exec_lines={NO_EXIT}"],
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
        from tools import sealed  # which cannot be imported everywhere

        sealed.seal(work, job["hidden"], WORK_SIZE)
    except (ImportError, OSError, AttributeError) as error:
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
