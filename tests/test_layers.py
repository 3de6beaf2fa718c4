"""lib.layers on every Keras backend that is installed, with the same weights.

A process can hold one backend only, so tests/layers_on_one_backend.py runs
once for each and this file compares what they say.
"""

import importlib.util
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

SCRIPT = pathlib.Path(__file__).with_name("layers_on_one_backend.py")
ROOT = SCRIPT.parents[1]
BACKENDS = ["tensorflow", "jax", "torch"]


def run(backend, folder, *steps):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: make backends")
    result = subprocess.run(
        [sys.executable, SCRIPT, folder, *steps], capture_output=True,
        text=True, cwd=ROOT, env=os.environ | {
            "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3"}, timeout=300)
    assert result.returncode == 0, result.stderr[-3000:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where models lie that TensorFlow, the default backend, saved."""
    folder = tmp_path_factory.mktemp("layers")
    run("tensorflow", folder, "save", "load")
    (folder / "tensorflow.npz").rename(folder / "expected.npz")
    return folder


@pytest.mark.parametrize("backend", BACKENDS)
def test_layers_keep_their_promises_with_the_same_outputs(backend, folder):
    run(backend, folder, "check", "load")
    expected = np.load(folder / "expected.npz")
    outputs = np.load(folder / f"{backend}.npz")
    assert set(outputs) == set(expected) and len(outputs) == 9
    for name in expected:
        assert expected[name].std() > 0.1
        np.testing.assert_allclose(outputs[name], expected[name], atol=1e-5,
                                   err_msg=name)
