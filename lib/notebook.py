"""What the first cell of a notebook sets up, once it has found the course."""

import os
import re
import threading

from IPython import get_ipython

NOT_SOLVED = "not solved yet"  # the error of an exercise's stub
# What TensorFlow logs below an error, and that there is no GPU; some of it
# comes whatever TF_CPP_MIN_LOG_LEVEL says.
HARMLESS_LOG = re.compile(
    rb"^(?:WARNING: All log messages before absl"
    rb"|[IW]\d{4} \d\d:\d\d:\d|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IW] "
    rb"|To enable the following instructions: "
    rb"|E\d{4} .*cuInit).*\n?", re.MULTILINE)


def prepare():
    """Choose TensorFlow, and keep out of a notebook what says nothing.

    KERAS_BACKEND may name another backend of Keras. TensorFlow's log lines
    that are no errors are not shown, and an exercise that nobody has solved
    is told in a line. Outside a notebook only the variables are set.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    shell = get_ipython()
    if shell and NotImplementedError not in shell.custom_exceptions:
        shell.set_custom_exc((NotImplementedError,), _show_not_implemented)
        _filter_stderr()


def _filter_stderr():
    """Read what compiled code writes to stderr; pass on what matters."""
    reader, writer = os.pipe()
    onward = os.dup(2)
    os.dup2(writer, 2)
    os.close(writer)

    def pass_on():
        while text := os.read(reader, 65536):
            os.write(onward, HARMLESS_LOG.sub(b"", text))

    threading.Thread(target=pass_on, daemon=True).start()


def _show_not_implemented(shell, kind, error, traceback, tb_offset=None):
    if str(error) == NOT_SOLVED:
        error._render_traceback_ = lambda: [NOT_SOLVED]  # IPython asks for it
    shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)
