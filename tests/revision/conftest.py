import numpy as np
import pytest
from affine import Affine
from scipy.ndimage import gaussian_filter

import geochange as gc

SHAPE = 190, 170
CHANGES = [
    (20, 30, 14, 18),
    (60, 110, 10, 10),
    (100, 20, 24, 9),
    (130, 120, 16, 30),
    (165, 60, 9, 9),
]
QUIET = {"register": "off", "normalize": "off", "threads": 1}


@pytest.fixture(scope="session")
def truth():
    changed = np.zeros(SHAPE, np.uint8)
    for row, col, height, width in CHANGES:
        changed[row : row + height, col : col + width] = 1
    return changed


@pytest.fixture(scope="session")
def folder(tmp_path_factory, truth):
    """Both dates, the labels, and runs of two methods."""
    import rasterio

    path = tmp_path_factory.mktemp("revision")
    rng = np.random.default_rng(3)
    ground = np.stack([gaussian_filter(rng.normal(size=SHAPE), 3) for _ in range(3)]) * 3000 + 2000
    before = ground + rng.normal(0, 60, ground.shape)
    after = ground + rng.normal(0, 60, ground.shape) + 700.0 * truth
    before[:, :5, :7] = 0
    place = {"crs": "EPSG:32632", "transform": Affine(10, 0, 5e5, 0, -10, 5e6)}
    for name, pixels in (("before", before), ("after", after), ("label", truth[None])):
        kind = "uint8" if name == "label" else "uint16"
        nodata = None if name == "label" else 0
        with rasterio.open(
            path / f"{name}.tif", "w", driver="GTiff", height=SHAPE[0], width=SHAPE[1],
            count=len(pixels), dtype=kind, nodata=nodata, **place,
        ) as file:  # fmt: skip
            file.write(np.clip(pixels, 0, 60000).astype(kind))
            if name != "label":
                for band, described in enumerate(("Red", "Green", "Blue"), 1):
                    file.set_band_description(band, described)
    dates = path / "before.tif", path / "after.tif"
    few = ("score", "mask")
    gc.detect(*dates, path / "cva", method="cva", products=few, min_area="2px", **QUIET)
    gc.detect(*dates, path / "sfa", method="sfa", products=few, threshold="otsu", **QUIET)
    gc.detect(*dates, path / "coarse", method="cva", products=few, grid=make_grid(path), **QUIET)
    return path


def make_grid(path):
    """Write a raster of 15 m pixels and return its path."""
    import rasterio

    place = {"crs": "EPSG:32632", "transform": Affine(15, 0, 5e5, 0, -15, 5e6)}
    with rasterio.open(
        path / "grid.tif", "w", driver="GTiff", height=120, width=110, count=1, dtype="uint8",
        **place,
    ) as file:  # fmt: skip
        file.write(np.zeros((1, 120, 110), np.uint8))
    return path / "grid.tif"
