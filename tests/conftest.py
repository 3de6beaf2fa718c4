"""What several tests ask for."""

import pytest


@pytest.fixture
def policy(request):
    """The dtype policy that the test names, and float32 again after it."""
    import keras  # here: who only hands tests to the workers need not wait

    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")
