"""Real scenes sampled twice from a finer one, the second time displaced by a known field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from scipy import ndimage

PLACE = Affine(10, 0, 500000, 0, -10, 5000000)
MARGIN_PX = 4
BLUR = 0.45
"""Blur of the finer scene, in pixels of the coarser one: the optics of a usual sensor."""
NOISE, GAIN, OFFSET = 0.05, 1.15, 0.2
"""Noise and offset in standard deviations of the scene."""

Shape = tuple[int, int]
Kind = Callable[[np.ndarray, Shape], np.ndarray]
"""From points (x, y) on a grid of a shape (height, width) to (dx, dy)."""


def still(points: np.ndarray, shape: Shape) -> np.ndarray:
    return np.zeros_like(points)


def shift(dx: float, dy: float) -> Kind:
    return lambda points, shape: np.tile([dx, dy], (len(points), 1)).astype(float)


def bend(points: np.ndarray, shape: Shape) -> np.ndarray:
    """2 px strong, half a wave over the scene."""
    x, y = np.pi * points.T / np.array(shape[::-1])[:, None]
    return np.column_stack([2 * np.sin(x) * np.cos(y), 1.5 * np.cos(x)])


def wave(points: np.ndarray, shape: Shape) -> np.ndarray:
    """2 px strong, a whole wave over the scene."""
    x, y = 2 * np.pi * points.T / np.array(shape[::-1])[:, None]
    return np.column_stack([2 * np.sin(x), 2 * np.cos(y)])


def turn(degrees: float, scale: float) -> Kind:
    """Rotation and scale about the middle."""

    def move(points: np.ndarray, shape: Shape) -> np.ndarray:
        from_middle = points - np.array(shape[::-1]) / 2
        cos, sin = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
        return from_middle @ np.array([[cos - 1, sin], [-sin, cos - 1]])

    return move


DISPLACEMENTS: dict[str, Kind] = {
    "none": still,
    "1 px shift": shift(1.0, 0.0),
    "61, -43 px shift": shift(61.3, -42.6),
    "0.2 degrees": turn(0.2, 1.002),
    "5 degrees, 4 %": turn(5.0, 1.04),
    "2 px half wave": bend,
    "2 px wave": wave,
}


@dataclass(frozen=True)
class Displaced:
    """Two dates, float64 (C, H, W), and where the content of the first lies on the second."""

    before: np.ndarray
    after: np.ndarray
    truth: Callable[[np.ndarray], np.ndarray]


def list_fine_scenes(data: Path) -> list[tuple[Path, float]]:
    """Return scenes and the factor by which they are made coarser."""
    fine = [(path, 1.5) for path in sorted(data.glob("aerial/*/before.tif"))[:4]]
    fine += [(path, 2.0) for path in sorted(data.glob("vhr_samples/levir/train_14/before.tif"))]
    large = ("abudhabi", "beihai", "cupertino", "mumbai", "pisa")
    return fine + [(data / f"oscd/{city}/before/B04.tif", 1.5) for city in large]


def displace_scene(
    path: Path, factor: float, kind: Kind, *, changed: float = 0.15, same_light: bool = False
) -> Displaced:
    """Sample a scene twice, with noise at both dates and other light at the second."""
    with rasterio.open(path) as dataset:
        fine = dataset.read().astype(float)
    fine = ndimage.gaussian_filter(fine, (0, BLUR * factor, BLUR * factor))
    height, width = (int(n // factor) - 2 * MARGIN_PX for n in fine.shape[1:])
    rng = np.random.default_rng(0)
    rows, cols = np.indices((height, width)) + 0.5
    here = np.column_stack([cols.ravel(), rows.ravel()])
    there = here.copy()
    for _ in range(30):  # which point of the first date is seen at a pixel of the second
        there = here - kind(there, (height, width))
    before, after = (sample(fine, points, factor, (height, width)) for points in (here, there))
    spread = before.std()
    after = np.where(draw_patches(rng, (height, width), changed), np.roll(after, 97, 2), after)
    after = after if same_light else GAIN * after + OFFSET * spread
    noise = rng.normal(0, NOISE * spread, (2, *before.shape))
    return Displaced(
        before + noise[0], after + noise[1], lambda points: kind(points, (height, width))
    )


def sample(fine: np.ndarray, points: np.ndarray, factor: float, shape: Shape) -> np.ndarray:
    """Return the scene at points (x, y) of the coarse grid."""
    cols, rows = factor * (points.T + MARGIN_PX) - 0.5
    bands = [ndimage.map_coordinates(b, [rows, cols], order=3, mode="mirror") for b in fine]
    return np.stack(bands).reshape(len(fine), *shape)


def draw_patches(rng: np.random.Generator, shape: Shape, share: float) -> np.ndarray:
    """Return rectangles that cover a share of an image, bool."""
    covered = np.zeros(shape, bool)
    while covered.mean() < share:
        row, col = (int(rng.integers(0, n)) for n in shape)
        height, width = rng.integers(8, 40, 2)
        covered[row : row + height, col : col + width] = True
    return covered


def write_image(path: Path, image: np.ndarray) -> Path:
    """Write an image as float32."""
    count, height, width = image.shape
    profile = {"driver": "GTiff", "count": count, "height": height, "width": width}
    with rasterio.open(
        path, "w", dtype="float32", crs="EPSG:32632", transform=PLACE, **profile
    ) as dataset:
        dataset.write(image.astype(np.float32))
    return path
