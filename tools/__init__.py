"""Commands for maintainers and instructors; `make help` lists them."""

import sys


def _tell(kind, error, traceback):
    """Ctrl-C is no error, at whatever moment it comes."""
    if issubclass(kind, KeyboardInterrupt):
        print("Stopped.", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = _tell
