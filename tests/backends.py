"""Run a script of this folder once for each Keras backend.

A process can hold one backend only.
"""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

from tools.notebooks import ROOT

BACKENDS = ["tensorflow", "jax", "torch"]


def run(backend, script, *arguments):
    """Run tests/SCRIPT; skip the test where the backend is not installed."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: make backends")
    result = subprocess.run(
        [sys.executable, pathlib.Path(__file__).with_name(script),
         *arguments], capture_output=True, text=True, cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT),
                          "TF_CPP_MIN_LOG_LEVEL": "3"}, timeout=300)
    assert result.returncode == 0, result.stderr[-3000:]
