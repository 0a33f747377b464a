"""Estimators of the shift between two windows: ours, scikit-image's, AROSICS where it is there."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from displaced import displace_scene, shift
from skimage.registration import phase_cross_correlation

from geochange.registration.structure import HALO_PX
from geochange.registration.ties import measure_tie
from geochange.tiles import Window

MARGIN_PX = 12
LARGEST_SHIFT_PX = 5.0

Shift = tuple[float, float]


def draw_windows(
    scenes: list[tuple[Path, float]], size: int, count: int
) -> Iterator[tuple[np.ndarray, np.ndarray, Shift]]:
    """Yield windows of both dates with a border around, (H, W), and their shift."""
    rng = np.random.default_rng(0)
    wide = size + 2 * (MARGIN_PX + HALO_PX)
    each = -(-count // len(scenes) // 2)
    for path, factor in scenes:
        for _ in range(each):
            length = np.exp(rng.uniform(np.log(0.05), np.log(LARGEST_SHIFT_PX)))
            angle = rng.uniform(0, 2 * np.pi)
            moved = float(length * np.cos(angle)), float(length * np.sin(angle))
            scene = displace_scene(path, factor, shift(*moved))
            dates = scene.before.mean(axis=0), scene.after.mean(axis=0)
            for _ in range(2):
                row, col = (int(rng.integers(0, n - wide)) for n in dates[0].shape)
                place = np.s_[row : row + wide, col : col + wide]
                yield dates[0][place], dates[1][place], moved


def measure_ours(before: np.ndarray, after: np.ndarray) -> Shift | None:
    """Masked correlation, then robust Gauss-Newton; None where the window would be left out."""
    size = len(before) - 2 * (MARGIN_PX + HALO_PX)
    full = np.ones(before.shape, bool)
    dates = ((date[None].astype(np.float32), full) for date in (before, after))
    tie = measure_tie(Window(0, 0, size, size), MARGIN_PX, *dates, "intensity")
    return (tie.dx, tie.dy) if tie.is_used else None


def measure_skimage(before: np.ndarray, after: np.ndarray, upsampling: int) -> Shift:
    """Phase correlation of scikit-image, upsampled."""
    inner = slice(MARGIN_PX + HALO_PX, -MARGIN_PX - HALO_PX)
    found, _, _ = phase_cross_correlation(
        before[inner, inner], after[inner, inner], upsample_factor=upsampling
    )
    return -float(found[1]), -float(found[0])


def measure_arosics(before: np.ndarray, after: np.ndarray) -> Shift | None:
    """One window of AROSICS, in memory."""
    from arosics import COREG
    from geoarray import GeoArray

    place = (500000, 10, 0, 5000000, 0, -10)
    size = len(before) - 2 * (MARGIN_PX + HALO_PX)
    dates = (GeoArray(d.astype(np.float32), place, "EPSG:32632") for d in (before, after))
    found = COREG(*dates, ws=(size, size), max_shift=10, q=True, progress=False, CPUs=1)
    try:
        found.calculate_spatial_shifts()
    except RuntimeError:
        return None
    return found.x_shift_px, found.y_shift_px


ESTIMATORS: dict[str, Callable[[np.ndarray, np.ndarray], Shift | None]] = {
    "geochange": measure_ours,
    "scikit-image phase correlation x10": partial(measure_skimage, upsampling=10),
    "scikit-image phase correlation x100": partial(measure_skimage, upsampling=100),
}
if importlib.util.find_spec("arosics"):
    ESTIMATORS["AROSICS"] = measure_arosics
