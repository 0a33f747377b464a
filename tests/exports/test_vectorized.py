import numpy as np
import pyogrio
import pytest

from geochange.errors import InputError, UsageError
from geochange.evaluation import evaluate
from geochange.exports.vectorized import vectorize

MASK = np.zeros((1, 40, 50), np.uint8)
MASK[0, 5:10, 5:15] = 1
MASK[0, 20:30, 20:24] = 1


@pytest.mark.parametrize(("value", "nodata"), [(1, 255), (255, None), (255, 0), (7, 9)])
def test_what_is_not_zero_is_change_as_in_evaluate(value, nodata, write_raster, tmp_path):
    path = write_raster("mask.tif", MASK * np.uint8(value), nodata=nodata)
    target, count = vectorize(path, tmp_path / "changes.gpkg")
    assert count == 2
    assert sorted(pyogrio.read_dataframe(target, layer="changes")["pixels"]) == [40, 50]
    label = write_raster("label.tif", MASK)
    counts = evaluate(path, label, ignore=()).counts
    assert (counts.tp, counts.fp) == (90, 0)


def test_nodata_is_no_change(write_raster, tmp_path):
    pixels = MASK.copy()
    pixels[0, 35:] = 255
    path = write_raster("mask.tif", pixels, nodata=255)
    assert vectorize(path, tmp_path / "changes.gpkg")[1] == 2


@pytest.mark.parametrize("kind", ["float", "scaled"])
def test_a_score_needs_a_threshold(kind, write_raster, tmp_path):
    if kind == "float":
        path = write_raster("score.tif", MASK.astype(np.float32) * 0.8)
    else:
        pixels = MASK.astype(np.uint16) * 80
        path = write_raster("score.tif", pixels, scales=(0.01,), offsets=(0.0,))
    with pytest.raises(UsageError, match=r"score\.tif holds scores; .*--threshold"):
        vectorize(path, tmp_path / "changes.gpkg")
    assert vectorize(path, tmp_path / "changes.gpkg", threshold=0.5)[1] == 2


def test_geojson_of_a_mask_without_crs_is_refused(write_raster, tmp_path):
    path = write_raster("mask.tif", MASK, crs=None)
    with pytest.raises(InputError, match=r"has no CRS, and GeoJSON needs .*; write a \.gpkg"):
        vectorize(path, tmp_path / "changes.geojson")
    assert not (tmp_path / "changes.geojson").exists()
    assert vectorize(path, tmp_path / "changes.gpkg")[1] == 2
