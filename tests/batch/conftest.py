import csv
import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

SETTINGS = {"method": "cva", "threshold": "otsu", "products": ["score", "mask", "changes"]}


@pytest.fixture
def settings():
    return dict(SETTINGS)


@pytest.fixture
def make_pairs(write_raster, tmp_path):
    return lambda *names, **options: _make_pairs(write_raster, tmp_path, *names, **options)


def _make_pairs(write_raster, folder, *names, size=96, absent=(), crs="EPSG:32632", dated=True):
    """Write a pair of ``size`` px for each name and a manifest of them, and return that."""
    rng = np.random.default_rng(5)
    days = ("2020-05-01", "2022-06-02") if dated else ("", "")
    rows = ["id,before,after"]
    for name in names:
        ground = 3000 + 6000 * gaussian_filter(rng.normal(0, 1, (1, size, size)), (0, 3, 3))
        images = [ground + rng.normal(0, 20, ground.shape) for _ in days]
        images[1][:, 20:40, 30:50] += 2500
        paths = [f"{name}/{when}{day}.tif" for when, day in zip("ab", days, strict=True)]
        for path, image in zip(paths, images, strict=True):
            write_raster(path, image.astype(np.uint16), crs=crs)
        rows.append(",".join([name, *paths]))
    rows += [f"{name},{name}/a.tif,{name}/b.tif" for name in absent]
    manifest = folder / "pairs.csv"
    manifest.write_text("\n".join(rows) + "\n")
    return manifest


@pytest.fixture
def read_log():
    return lambda path: [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def read_table():
    return _read_table


def _read_table(path):
    with path.open(newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


@pytest.fixture
def read_files():
    return _read_files


def _read_files(folder):
    """Every file of a folder but run.json, which tells times."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.name != "run.json"}
