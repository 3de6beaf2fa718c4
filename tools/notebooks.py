"""Run notebooks from fresh kernels and store their outputs: `make notebooks`.

Stored outputs must be the same for everybody, so timings, kernel versions and
the log lines of TensorFlow are dropped; a warning, an error or an absolute
path is refused, and the notebook on disk stays as it was.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"

# What TensorFlow logs about the machine, below Python and past its log level.
LIBRARY_LOG = re.compile(
    r"WARNING: All log messages before absl"
    r"|[IWEF]\d{4} \d\d:\d\d:\d"              # glog: I0000 00:00:17…
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: "  # older TensorFlow
    r"|To enable the following instructions: ")
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|usr|Users|work|"
                           r"content|opt|var|mnt)/\w|[A-Z]:\\\\?Users")
MEMORY_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{4,}")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python",
                   "name": "python3"},
    "language_info": {"name": "python"},
}


def own_settings(folder):
    """Keep what a user has configured out of a run.

    Args:
        folder: an empty one that lasts as long as the run, a pathlib.Path.

    Returns:
        Dict of environment variables: Keras, IPython, Jupyter and matplotlib
        then have their defaults, and a kernel is this environment's.
    """
    (folder / "matplotlibrc").touch()
    return {"KERAS_HOME": str(folder), "IPYTHONDIR": str(folder),
            "JUPYTER_CONFIG_DIR": str(folder), "JUPYTER_PATH": "",
            "JUPYTER_PREFER_ENV_PATH": "1",
            "MATPLOTLIBRC": str(folder / "matplotlibrc")}


class StoredOutputError(RuntimeError):
    """A cell printed something that must not be stored."""


def chapter_notebooks(chapter=None):
    """Paths of the notebooks that are stored with their outputs.

    Args:
        chapter: number such as "01", or None for every chapter.

    Returns:
        List of paths: chapters and solutions, in reading order.

    Raises:
        SystemExit: there is no such chapter; the message lists what there is.
    """
    paths = sorted(NOTEBOOKS.glob("*.ipynb"))
    paths += sorted(NOTEBOOKS.glob("solutions/*.ipynb"))
    if chapter is None:
        return paths
    chosen = [p for p in paths if p.name.split("_")[0] == f"{chapter:0>2}"]
    if not chosen:
        numbers = sorted({p.name.split("_")[0] for p in paths})
        sys.exit(f"There is no chapter {chapter!r}. "
                 f"Chapters: {', '.join(numbers)}")
    return chosen


def code_cells(path):
    """The code cells of a notebook, a list in its order."""
    return [cell for cell in nbformat.read(path, as_version=4).cells
            if cell.cell_type == "code"]


def foreign_stderr(outputs):
    """The stderr text of a cell that does not come from a library's log."""
    text = "".join(o.text for o in outputs if o.get("name") == "stderr")
    return "\n".join(line for line in text.splitlines()
                     if line.strip() and not LIBRARY_LOG.match(line))


def unwanted(outputs):
    """Why a cell's outputs must not be stored, one sentence a reason."""
    reasons = []
    stderr = foreign_stderr(outputs)
    if stderr:
        reasons.append(f"writes to stderr: {stderr}")
    text = output_text(outputs)
    for pattern, what in ((ABSOLUTE_PATH, "an absolute path"),
                          (MEMORY_ADDRESS, "a memory address")):
        found = pattern.search(text)
        if found:
            start = max(found.start() - 40, 0)
            reasons.append(f"prints {what}: …{text[start:found.end() + 40]}…")
    return reasons


def output_text(outputs):
    """Everything readable in a list of outputs, as one str."""
    parts = []
    for output in outputs:
        parts.append(output.get("text", ""))
        parts += [value for kind, value in output.get("data", {}).items()
                  if isinstance(value, str) and not kind.startswith("image/")]
        parts += output.get("traceback", [])
    return "\n".join(parts)


def tidy(notebook):
    """Drop from an executed notebook what differs from run to run, in place.

    Raises:
        StoredOutputError: something remains that must not be stored.
    """
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        cell.metadata.pop("execution", None)
        reasons = unwanted(cell.outputs)
        if reasons:
            raise StoredOutputError(f"cell {number}: " + "; ".join(reasons))
        cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]


def untidy(notebook):
    """Why a notebook is not as run() writes it, one sentence a reason.

    Somebody who opens, runs and saves a chapter in JupyterLab leaves traces
    that harm nobody, so this is no test: `make lint` asks for it.
    """
    reasons = []
    if notebook.metadata != METADATA:
        reasons.append("its metadata are those of an editor")
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if [cell.execution_count for cell in cells] != list(
            range(1, len(cells) + 1)):
        reasons.append("its cells were not run in order, each once")
    for cell in cells:
        if "execution" in cell.metadata:
            reasons.append("the times of its run are in it")
        kinds = {o.get("name", o.output_type) for o in cell.outputs}
        reasons += [f"a cell has stored {kind}"
                    for kind in sorted(kinds & {"stderr", "error"})]
        reasons += unwanted(cell.outputs)
    return list(dict.fromkeys(reasons))


def check(paths):
    """Say which notebooks are not as `make notebooks` writes them.

    Raises:
        SystemExit: one is not; the message says what to type.
    """
    found = False
    for path in paths:
        for reason in untidy(nbformat.read(path, as_version=4)):
            found = True
            print(f"{path.relative_to(ROOT)}: {reason}")
    if found:
        sys.exit("To keep your changes, type `make notebooks CHAPTER=…`; to "
                 "get back what was there, `git checkout -- notebooks`.")


def run(path):
    """Execute one notebook in its folder and write it back, tidied.

    Raises:
        CellExecutionError: a cell failed.
        StoredOutputError: a cell printed something that must not be stored.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", record_timing=False,
        coalesce_streams=True, resources={"metadata": {"path": path.parent}})
    client.execute(stderr=subprocess.DEVNULL)  # it is in the outputs
    tidy(notebook)
    nbformat.write(notebook, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chapter", help="only this one, such as 01")
    parser.add_argument("--check", action="store_true",
                        help="run nothing; say which are not as stored")
    arguments = parser.parse_args()
    paths = chapter_notebooks(arguments.chapter or None)
    if arguments.check:
        return check(paths)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(own_settings(pathlib.Path(folder)))
        run_all(paths)


def run_all(paths):
    """Run notebooks one after the other, and say how it went.

    Raises:
        SystemExit: some failed; they stay as they were.
    """
    failed = []
    for path in paths:
        print(f"{path.relative_to(ROOT)} … ", end="", flush=True)
        start = time.monotonic()
        try:
            run(path)
        except (CellExecutionError, StoredOutputError) as error:
            failed.append(path)
            print(f"failed, left as it was\n{error}")
        else:
            print(f"{time.monotonic() - start:.0f} s")
    if failed:
        sys.exit(f"{len(failed)} of {len(paths)} notebooks failed")


if __name__ == "__main__":
    main()
