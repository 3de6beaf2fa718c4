"""lib.generation and the decoders on every Keras backend that is installed.

tests/generation_on_one_backend.py checks the promises on each, and what it
writes with the same weights and the same noise must be the same everywhere.
"""

import numpy as np
import pytest

from lib.generation import sampler
from tests.backends import BACKENDS, run

SCRIPT = "generation_on_one_backend.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generation")
    run("tensorflow", SCRIPT, folder)
    return folder


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_same_noise_writes_the_same_text(backend, folder):
    if backend != "tensorflow":
        run(backend, SCRIPT, folder)
    expected = np.load(folder / "tensorflow.npz")
    written = np.load(folder / f"{backend}.npz")
    assert set(written) == set(expected)
    for name in expected:
        np.testing.assert_allclose(written[name], expected[name], atol=1e-5,
                                   err_msg=name)


@pytest.mark.parametrize("options, words", [
    ({"temperature": 0}, "greedy"),
    ({"top_k": 0}, "1 or more, not 0"),
    ({"top_p": 0}, "above 0"),
    ({"top_p": 1.5}, "not 1.5"),
])
def test_impossible_settings_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        sampler(**options)
