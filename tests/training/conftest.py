"""Small labelled scenes on disk, and the smallest config that trains on them."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine

from geochange.testing import synthetic_pair
from geochange.training.settings.config import parse_config

GSD = 2.0
NAMES = ("Blue", "Green", "Red")


def save(path, pixels, *, crs, origin, names=(), nodata=None):
    """Write (C, H, W) as GeoTIFF, or as PNG without a place on Earth."""
    path.parent.mkdir(parents=True, exist_ok=True)
    png = path.suffix == ".png"
    place = {} if png else {"crs": crs, "nodata": nodata}
    if crs is not None and not png:
        place["transform"] = Affine(GSD, 0, origin[0], 0, -GSD, origin[1])
    count, height, width = pixels.shape
    with rasterio.open(
        path,
        "w",
        driver="PNG" if png else "GTiff",
        count=count,
        height=height,
        width=width,
        dtype=pixels.dtype,
        **place,
    ) as dataset:
        dataset.write(pixels)
        if names and not png:
            dataset.descriptions = names
    return path


@pytest.fixture
def write_scene(tmp_path):
    """Write a scene under a folder: ``write_scene("a", seed=1)``; returns its folder."""

    def write(
        name,
        seed=0,
        size=64,
        *,
        east_px=0,
        crs="EPSG:32632",
        change=1,
        label=True,
        changes=3,
        invalid_rows=0,
        shape=None,
    ):
        pair = synthetic_pair(
            shape or (size, size), bands=3, seed=seed, changes=changes, contrast=80
        )
        folder, origin = tmp_path / name, (500_000 + GSD * east_px, 5_000_000)
        place = {"crs": crs, "origin": origin}
        for date, image in (("before", pair.before), ("after", pair.after)):
            pixels = np.clip(np.rint(image), 1, 255).astype(np.uint8)
            if date == "after":
                pixels[:, :invalid_rows] = 0
            save(folder / f"{date}.tif", pixels, names=NAMES, nodata=0, **place)
        if label:
            save(folder / "label.tif", (pair.truth * change).astype(np.uint8)[None], **place)
        return folder

    return write


@pytest.fixture
def scenes(tmp_path, write_scene):
    """Folder with three neighbouring scenes ``a``, ``b`` and ``c``, 64 x 64 px each."""
    for number, name in enumerate("abc"):
        write_scene(f"set/{name}", seed=number, east_px=64 * number)
    return tmp_path / "set"


def tiny_table(root, **changes):
    """Return the tables of a config that trains in about a second."""
    table = {
        "steps": 6,
        "log_every": 2,
        "data": {
            "root": str(root),
            "train": [{"path": "set", "scenes": ["a", "b"]}],
            "validation": [{"path": "set", "scenes": ["c"]}],
        },
        "model": {"name": "tinysiam", "options": {"widths": [4, 8, 8]}},
        "chips": {"size_px": 32, "batch_size": 4},
        "optimizer": {"warmup_steps": 2},
        "validation": {"every_steps": 3, "tile_px": 32},
        "compute": {"workers": 0, "threads": 1, "accelerator": "cpu"},
    }
    return table | changes


@pytest.fixture
def tiny(scenes):
    """Return the tables of :func:`tiny_table` on ``scenes``."""
    return tiny_table(scenes.parent)


@pytest.fixture
def tiny_config(tiny):
    return parse_config(tiny)
