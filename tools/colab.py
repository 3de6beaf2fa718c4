"""Run the chapters as Colab runs them: `make colab` (CHAPTER=01 for one).

An environment of its own, .venv-colab, has the versions that Colab publishes
(tools/colab-versions.txt) and nothing else; a module google.colab is there;
and each notebook lies alone in an empty folder. In place of GitHub, Git takes
a bare copy of the last commit. A chapter runs strictly from the first cell;
then its student edition beside it, with no remote and no package index, since
by then all must have been fetched.
"""

import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import venv

import nbformat

from tools.badges import repository
from tools.notebooks import NOTEBOOKS, ROOT, chapter_notebooks

VERSIONS = ROOT / "tools" / "colab-versions.txt"
ENVIRONMENT = ROOT / ".venv-colab"
PACKAGES = ENVIRONMENT / "packages.txt"
PYTHON = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin") / "python"


def remote(folder):
    """A bare copy of this repository, as last committed.

    Returns:
        Its path, folder / "remote".
    """
    path = folder / "remote"
    subprocess.run(["git", "clone", "-q", "--bare", ROOT, path], check=True)
    return path


def variables(folder):
    """What a process must find in its environment to believe it is on Colab.

    Args:
        folder: where remote() put its copy; the module is made beside it.

    Returns:
        Dict of environment variables.
    """
    module = folder / "modules" / "google" / "colab"
    module.mkdir(parents=True)
    (module / "__init__.py").touch()  # google itself stays a namespace
    (folder / "modules" / "sitecustomize.py").write_text(
        "import google.colab\n", "utf-8")  # Colab's kernel has imported it
    return {"PYTHONPATH": str(folder / "modules"),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{(folder / 'remote').as_uri()}"
                                ".insteadOf",
            "GIT_CONFIG_VALUE_0": f"https://github.com/{repository()}"}


def pip(*arguments, **options):
    return subprocess.run([PYTHON, "-m", "pip", "--disable-pip-version-check",
                           *arguments], check=True, text=True, **options)


def installed():
    """The packages of that environment, a set of lines of `pip freeze`."""
    return set(pip("freeze", stdout=subprocess.PIPE).stdout.splitlines())


def make_environment():
    """Colab's versions, and none of what its users must fetch."""
    digest = hashlib.sha256(VERSIONS.read_bytes()).hexdigest()
    made_from = f"{sys.version} {digest}"
    stamp = ENVIRONMENT / "made-from.txt"
    if not stamp.exists() or stamp.read_text() != made_from:
        print("Installing the versions of Colab's packages into .venv-colab "
              "…", flush=True)
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
        pip("install", "-qq", "-r", VERSIONS)
        PACKAGES.write_text("\n".join(sorted(installed())))
        stamp.write_text(made_from)


def clean_up():
    """Remove what was fetched.

    Raises:
        SystemExit: a package that was there has been replaced.
    """
    before = set(PACKAGES.read_text().splitlines())
    now = installed()
    if now - before:
        pip("uninstall", "-qq", "-y",
            *(line.split("==")[0] for line in now - before))
    if before - now:
        (ENVIRONMENT / "made-from.txt").unlink()  # to be made anew
        sys.exit("The setup cell has replaced " + ", ".join(before - now))
    print(f"{len(before)} packages are as before, {len(now - before)} were "
          "fetched.", flush=True)


def kernel(folder, settings):
    """A kernel named colab in that environment, below folder / "kernels"."""
    path = folder / "kernels" / "colab" / "kernel.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({
        "argv": [str(PYTHON), "-m", "ipykernel_launcher", "-f",
                 "{connection_file}"],
        "display_name": "Colab", "language": "python", "env": settings}))


def run(notebook, folder):
    """Run a notebook strictly, alone in folder / "content".

    Raises:
        CalledProcessError: a cell failed, or printed something else.
    """
    content = folder / "content"
    content.mkdir(exist_ok=True)
    copy = nbformat.read(notebook, as_version=4)
    copy.cells[1].metadata["tags"] = ["nbval-ignore-output"]  # what it fetches
    nbformat.write(copy, content / notebook.name)
    (folder / "pytest.ini").write_text("[pytest]\n")
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-c",
         folder / "pytest.ini", "--rootdir", folder, "--nbval",
         "--nbval-kernel-name=colab", "--nbval-cell-timeout=300",
         content / notebook.name], check=True, cwd=content,
        env=os.environ | {"PYTHONPATH": str(ROOT),
                          "JUPYTER_PATH": str(folder)})


def try_chapter(chapter):
    """The chapter, then its student edition."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        copy = remote(folder)
        settings = variables(folder)
        kernel(folder, settings)
        try:
            run(chapter, folder)
            copy.rename(folder / "gone")
            kernel(folder, settings | {"PIP_NO_INDEX": "1"})
            run(NOTEBOOKS / "exercises" / chapter.name, folder)
        finally:
            clean_up()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chapter", help="only this one, such as 01")
    chosen = chapter_notebooks(parser.parse_args().chapter or None)
    if subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, text=True,
                      capture_output=True, check=True).stdout:
        print("Of lib/, what is not committed is not tried.")
    try:
        make_environment()
        for path in chosen:
            if path.parent == NOTEBOOKS:
                print(path.name, flush=True)
                try_chapter(path)
    except subprocess.CalledProcessError as error:
        sys.exit(f"Failed; the reason stands above. ({error.cmd[0]} ended "
                 f"with {error.returncode})")


if __name__ == "__main__":
    main()
