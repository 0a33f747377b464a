"""Small series written to disk."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

SIZE = 40
BUILT = (slice(10, 20), slice(12, 25))
BANDS = ("blue", "green", "red", "nir")


def days_from(start: date, count: int, step: int) -> list[date]:
    return [start + timedelta(step * n) for n in range(count)]


def make_images(count: int, built_at: int, seed: int = 0) -> np.ndarray:
    """Grey ground with noise; a bright square stands from one date on, uint16 (T, 4, H, W)."""
    rng = np.random.default_rng(seed)
    base = 1000 + 200 * rng.random((1, 4, SIZE, SIZE))
    images = base + 20 * rng.standard_normal((count, 4, SIZE, SIZE))
    images[built_at:, :, *BUILT] += 1500
    return images.astype(np.uint16)


@pytest.fixture
def write_series(write_raster):
    """Write images as ``<day>.tif`` with nodata 0; returns the paths."""

    def write(images: np.ndarray, days: list[date], **options: object) -> list[Path]:
        options = {"nodata": 0, "names": BANDS[: images.shape[1]], **options}
        pairs = zip(images, days, strict=True)
        return [write_raster(f"series/{day}.tif", image, **options) for image, day in pairs]

    return write


@pytest.fixture(scope="session")
def make_series():
    """The generator of labelled series."""
    folder = str(Path(__file__).resolve().parents[2] / "data_samples")
    sys.path.insert(0, folder)
    try:
        import series

        return series.make_series
    finally:
        sys.path.remove(folder)
