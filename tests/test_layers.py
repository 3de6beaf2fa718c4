"""lib.layers on every Keras backend that is installed, with the same weights.

tests/layers_on_one_backend.py runs once for each and this file compares what
they say.
"""

import numpy as np
import pytest

from tests.backends import BACKENDS, run

SCRIPT = "layers_on_one_backend.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where models lie that TensorFlow, the default backend, saved."""
    folder = tmp_path_factory.mktemp("layers")
    run("tensorflow", SCRIPT, folder, "save", "load")
    (folder / "tensorflow.npz").rename(folder / "expected.npz")
    return folder


@pytest.mark.parametrize("backend", BACKENDS)
def test_layers_keep_their_promises_with_the_same_outputs(backend, folder):
    run(backend, SCRIPT, folder, "check", "load")
    expected = np.load(folder / "expected.npz")
    outputs = np.load(folder / f"{backend}.npz")
    assert set(outputs) == set(expected) and len(outputs) == 9
    for name in expected:
        assert expected[name].std() > 0.1
        np.testing.assert_allclose(outputs[name], expected[name], atol=1e-5,
                                   err_msg=name)
