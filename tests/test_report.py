import numpy as np
import pytest

from lib.report import BoundError, measured


def test_prints_name_value_and_bound(capsys):
    measured("test accuracy", 0.87124, at_least=0.86)
    measured("seconds", np.float32(3), at_most=10)
    measured("ratio", np.array([1.5]), at_least=1, at_most=2)
    assert capsys.readouterr().out.splitlines() == [
        "test accuracy ≈ 0.8712 (at least 0.86)",
        "seconds ≈ 3.0000 (at most 10)",
        "ratio ≈ 1.5000 (between 1 and 2)",
    ]


def test_bounds_are_inclusive():
    measured("x", 0.5, at_least=0.5, at_most=0.5)


@pytest.mark.parametrize("value, bounds", [
    (0.85, {"at_least": 0.86}),
    (0.87, {"at_most": 0.86}),
    (3, {"at_least": 1, "at_most": 2}),
    (float("nan"), {"at_least": 0}),
    (float("inf"), {"at_least": 0}),
])
def test_raises_when_the_bound_fails(value, bounds, capsys):
    with pytest.raises(BoundError, match="bound failed: x ≈"):
        measured("x", value, **bounds)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("bounds", [
    {}, {"at_least": 2, "at_most": 1}, {"at_least": float("-inf")},
    {"at_most": float("inf")}, {"at_least": float("nan")},
    {"at_least": 0, "at_most": float("inf")}])
def test_refuses_bounds_that_mean_nothing(bounds):
    with pytest.raises(ValueError):
        measured("x", 1, **bounds)
