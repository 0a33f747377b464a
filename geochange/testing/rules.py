"""What a broken rule raises: AssertionError with the rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from geochange.blocks import FloatArray

TOLERANCE = 1e-5
"""Largest difference of two float32 scores that must be equal."""


def require(condition: bool, rule: str) -> None:
    """Raise AssertionError with ``rule`` unless ``condition`` holds."""
    if not condition:
        raise AssertionError(rule)


def require_close(found: FloatArray, expected: FloatArray, rule: str) -> None:
    """Compare scores within TOLERANCE, NaN equal to NaN."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE, err_msg=rule)


def require_equal(found: Any, expected: Any, rule: str) -> None:
    """Compare sequences of arrays exactly, NaN equal to NaN."""
    for one, other in zip(found, expected, strict=True):
        require(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"), rule)
