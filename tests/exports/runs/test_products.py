"""Writing the changes takes the same memory however many there are."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.blocks import PairBlock, PairTraits
from geochange.exports.vectors.changes import best_changes, total_classes
from geochange.exports.vectors.fields import polygon_fields
from geochange.exports.vectors.geojson import write_geojson
from geochange.exports.vectors.gpkg import write_gpkg
from geochange.io import vector
from geochange.maps import tables
from geochange.maps.features import change_features
from geochange.tiles import Tile, Window

BATCH = 100


@dataclass
class Specks:
    """A mask of small changes, or a score, made when it is read: it takes no memory itself."""

    height: int
    of_mask: bool
    tile_size: int = 64

    @property
    def geobox(self) -> GeoBox:
        return GeoBox((self.height, 256), Affine(10, 0, 500000, 0, -10, 5000000), "EPSG:32632")

    def read(self, window: Window) -> np.ndarray:
        rows = np.arange(window.row, window.stop_row)[:, None]
        cols = np.arange(window.col, window.stop_col)
        if self.of_mask:
            return ((rows % 8 < 2) & ((cols + rows // 8) % 9 < 3)).astype(np.uint8)
        return (40_000 + (rows * 7 + cols) % 20_000).astype(np.uint16)


class FlatPair:
    traits = PairTraits(("red", "nir"), ("red", "nir"), ("red", "nir"))
    dates = ("2020-01-01", "2021-01-01")

    def salvage(self, window: Window) -> PairBlock:
        ones = np.ones((2, *window.shape), np.float32)
        return PairBlock(ones, 2 * ones, np.ones(window.shape, bool), Tile(0, window, window))


def collected(batches):
    """Let go of each batch: frames leave cycles behind, which would be measured instead."""
    for batch in batches:
        gc.collect()
        yield batch


def write_all(folder, height):
    """Write the changes of a raster; returns their number and the peak of traced memory."""
    mask, path = Specks(height, of_mask=True), folder / f"{height}.gpkg"
    options = {"fields": polygon_fields(["red", "nir"]), "geobox": mask.geobox}
    tracemalloc.start()
    features = change_features(mask, Specks(height, of_mask=False), FlatPair())
    write_gpkg(collected(features), path, **options)
    written = vector.read_batches(path, batch_size=BATCH)
    write_geojson(collected(written), path.with_suffix(".geojson"), **options)
    assert len(best_changes(path, 50)) == 50
    count = sum(total.count for total in total_classes(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return count, peak


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_RUNS", 2 * BATCH)
    monkeypatch.setattr(vector, "BATCH_SIZE", BATCH)
    write_all(tmp_path, 64)  # what is imported and cached is none of it
    few, peak_of_few = write_all(tmp_path, 128)
    many, peak_of_many = write_all(tmp_path, 640)
    assert (few, many) == pytest.approx((16 * 28.5, 80 * 28.5), rel=0.05)
    assert peak_of_many < 1.5 * peak_of_few
