"""Make .venv and install what requirements.lock pins: `make setup`.

Runs with nothing but Python itself, also with versions that are too old for
the course, so that it can say so. A second call does nothing.
"""

from __future__ import print_function

import hashlib
import json
import os
import shutil
import subprocess
import sys

OLDEST, NEWEST = (3, 10), (3, 13)  # what TensorFlow 2.21 has wheels for
NEEDED_GB = 4  # 3 GB installed, and what pip needs while it unpacks

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
LOCK = os.path.join(ROOT, "requirements.lock")
STAMP = os.path.join(VENV, "course-installed.txt")
WINDOWS = os.name == "nt"
PYTHON = os.path.join(VENV, "Scripts" if WINDOWS else "bin",
                      "python.exe" if WINDOWS else "python")

# JupyterLab shows nbgrader's pages for instructors to every reader, with an
# error where there is no course of nbgrader's (Validate is of use to all), and
# asks whether it may fetch news.
INSTRUCTORS = ("assignment-list", "course-list", "create-assignment",
               "formgrader", "menu")
SETTINGS = {
    "share/jupyter/lab/settings/overrides.json": {
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}},
    "etc/jupyter/labconfig/page_config.json": {"disabledExtensions": {
        "@jupyter/nbgrader:" + name: True for name in INSTRUCTORS}},
    "etc/jupyter/jupyter_server_config.d/nbgrader_of_instructors.json": {
        "ServerApp": {"jpserver_extensions": {
            "nbgrader.server_extensions." + name: False for name in
            ("assignment_list", "course_list", "formgrader")}}},
}


def check_python():
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        sys.exit("This is Python {}.{}; the course needs {}.{} to {}.{}, the "
                 "versions that TensorFlow is built for.\nInstall one and "
                 "name it: make PYTHON=python3.12 ...".format(
                     *(sys.version_info[:2] + OLDEST + NEWEST)))


def check_disk():
    free_gb = shutil.disk_usage(ROOT).free / 1e9
    if free_gb < NEEDED_GB:
        sys.exit("Only {:.1f} GB are free here, and the installation needs "
                 "about {} GB. Make room, then call this again.".format(
                     free_gb, NEEDED_GB))


def fingerprint():
    """What the environment was made from: this Python, the place where it
    stands (its programs know it by heart), the lock file, and settings."""
    with open(LOCK, "rb") as lock:
        digest = hashlib.sha256(lock.read() + json.dumps(
            SETTINGS, sort_keys=True).encode()).hexdigest()
    return "{}\n{}".format(kind(), digest)


def kind():
    return "{}.{} {}".format(sys.version_info[0], sys.version_info[1], VENV)


def stamp():
    """What the environment says of itself; "" if it is none, or half made."""
    if not (os.path.exists(STAMP) and os.path.exists(PYTHON)):
        return ""
    with open(STAMP) as text:
        return text.read()


def is_current():
    return stamp() == fingerprint()


def can_be_kept():
    """Whether .venv is a whole environment of this Python in this place."""
    made = stamp()
    if made and made.splitlines()[0] != kind():
        return False
    version = "import sys, pip; print('%d.%d' % sys.version_info[:2])"
    try:
        found = subprocess.check_output([PYTHON, "-c", version],
                                        stderr=subprocess.DEVNULL).decode()
    except (OSError, subprocess.CalledProcessError):
        return False
    return found.strip() == "{}.{}".format(*sys.version_info[:2])


def make_environment():
    print("Making the environment .venv ...", flush=True)
    try:
        subprocess.check_call([sys.executable, "-m", "venv", "--clear", VENV])
    except subprocess.CalledProcessError:
        sys.exit("Python could not make a virtual environment; the reason "
                 "stands above. If it is ensurepip, on Debian and Ubuntu that "
                 "is a package of its own: apt install python3-venv")


def install():
    print("Installing requirements.lock into .venv (about 3 GB, a few "
          "minutes) ...", flush=True)
    if os.path.exists(STAMP):
        os.remove(STAMP)
    try:
        subprocess.check_call([PYTHON, "-m", "pip", "install",
                               "--disable-pip-version-check", "-r", LOCK])
    except subprocess.CalledProcessError:
        sys.exit("The installation did not finish; the reason stands above. "
                 "Call this again to go on where it stopped.")
    write_settings()
    with open(STAMP, "w") as text:
        text.write(fingerprint())


def write_settings():
    for name, content in SETTINGS.items():
        path = os.path.join(VENV, *name.split("/"))
        if not os.path.isdir(os.path.dirname(path)):
            os.makedirs(os.path.dirname(path))
        with open(path, "w") as text:
            json.dump(content, text)


def replace():
    """Make the environment anew; the one that worked is back if that fails."""
    old = VENV + ".old"
    shutil.rmtree(old, ignore_errors=True)
    if stamp():
        os.rename(VENV, old)
    try:
        make_environment()
        install()
    except (SystemExit, KeyboardInterrupt):
        if os.path.exists(old):
            shutil.rmtree(VENV, ignore_errors=True)
            os.rename(old, VENV)
        raise
    shutil.rmtree(old, ignore_errors=True)


def main():
    check_python()
    if is_current():
        return
    if os.path.exists(VENV) and not os.path.isdir(VENV):
        sys.exit("The file .venv stands where the environment belongs: move "
                 "it away, then call this again.")
    try:
        if can_be_kept():
            install()
        else:
            check_disk()
            replace()
    except KeyboardInterrupt:
        sys.exit("\nStopped. Call this again to go on.")
    print("The environment is ready.")


if __name__ == "__main__":
    main()
