"""Print measured values so that everything around them can be compared.

A loss, an accuracy or a time differs a little from machine to machine. The
tests mask the number after "≈" and compare the rest of the line, and the bound
is checked here, whenever the cell runs.
"""

import math

import numpy as np


class BoundError(AssertionError):
    """A measured value lies outside the bound that was promised for it."""


def measured(name, value, *, at_least=None, at_most=None):
    """Print one measured value with its bound, and raise if the bound fails.

    Args:
        name: what was measured, with its unit if it has one
            ("test accuracy", "seconds to fit").
        value: a number (Python, NumPy, or an array or tensor of one element).
        at_least: smallest value that still keeps the promise, inclusive.
        at_most: largest value that still keeps the promise, inclusive.
            At least one of the two bounds is required.

    Returns:
        Nothing. It prints `test accuracy ≈ 0.8712 (at least 0.86)`.

    Raises:
        BoundError: the value is not finite or outside its bound.
        ValueError: no bound was given, or one that no value can break, or two
            that exclude every value.
    """
    bound = _bound_text(at_least, at_most)
    value = float(np.asarray(value).item())
    line = f"{name} ≈ {value:.4f} ({bound})"
    too_small = at_least is not None and value < at_least
    too_large = at_most is not None and value > at_most
    if too_small or too_large or not math.isfinite(value):
        raise BoundError(f"bound failed: {line}")
    print(line)


def _bound_text(at_least, at_most):
    if at_least is None and at_most is None:
        raise ValueError("give at_least=… or at_most=…: without a bound the "
                         "line could never fail")
    if not all(math.isfinite(bound) for bound in (at_least, at_most)
               if bound is not None):
        raise ValueError("a bound that is not finite could never fail")
    if at_most is None:
        return f"at least {at_least}"
    if at_least is None:
        return f"at most {at_most}"
    if at_least > at_most:
        raise ValueError(f"at_least={at_least} is above at_most={at_most}")
    return f"between {at_least} and {at_most}"
