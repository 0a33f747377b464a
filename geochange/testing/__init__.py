"""Synthetic data and conformance checks for detectors and readers, also for those of users.

``check_detector`` and ``check_reader`` raise :class:`AssertionError` with the broken rule.
"""

from geochange.testing.detectors import check_detector, score_pair
from geochange.testing.images import (
    ArrayPair,
    ArrayReader,
    SyntheticPair,
    coordinate_image,
    synthetic_pair,
)
from geochange.testing.readers import check_reader

__all__ = [
    "ArrayPair",
    "ArrayReader",
    "SyntheticPair",
    "check_detector",
    "check_reader",
    "coordinate_image",
    "score_pair",
    "synthetic_pair",
]
