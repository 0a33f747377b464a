from __future__ import annotations

import json

import numpy as np
import pyogrio
import pytest
import rasterio
from affine import Affine
from PIL import Image
from scipy import ndimage

import geochange as gc

HERE = Affine(10, 0, 500000, 0, -10, 5000000)


@pytest.fixture
def shifted(write_raster):
    """A pair whose content moved 2 columns to the right and 1 row down."""
    noise = np.random.default_rng(0).normal(size=(3, 300, 320))
    ground = 3000 + 2500 * ndimage.gaussian_filter(noise, (0, 2, 2)) / 0.14
    ground = ground.clip(1, 60000).astype(np.uint16)
    before, after = ground[:, 40:-40, 40:-40], ground[:, 39:-41, 38:-42]
    return write_raster("2020-01-01.tif", before), write_raster("2021-01-01.tif", after)


def test_align_writes_the_corrected_date_tie_points_and_a_picture(shifted, tmp_path):
    out = tmp_path / "out"
    paths, notes = gc.align(*shifted, out)
    assert [path.name for path in paths] == ["before.tif", "after.tif"]
    assert any("shift of +2.00 columns, +1.00 rows (22.4 m)" in note for note in notes)
    with rasterio.open(paths[0]) as first, rasterio.open(paths[1]) as second:
        before, after = first.read(), second.read()
    inner = np.s_[:, 5:-5, 5:-5]
    assert abs(before - after)[inner].max() < 30
    assert np.nanmean(abs(before[:, :, 2:] - before[:, :, :-2])) > 300
    ties = pyogrio.read_dataframe(out / "tie_points.gpkg")
    used = ties[ties["used"] == 1]
    assert len(used) >= 9
    assert str(ties.crs) == "EPSG:32632"
    np.testing.assert_allclose(used[["dx_px", "dy_px"]].median(), (2, 1), atol=0.01)
    np.testing.assert_allclose(used["dx_m"].median(), 20, atol=0.2)
    assert used["residual_px"].max() < 0.05
    first = ties.iloc[0]
    assert (first.geometry.x, first.geometry.y) == pytest.approx(HERE @ (first.col, first.row))
    with Image.open(out / "displacements.png") as picture:
        assert min(picture.size) > 300
    found = json.loads((out / "run.json").read_text())["alignment"]
    assert found["applied"]
    assert found["residual_after_px"] < 0.1 < found["residual_before_px"]


def test_off_writes_no_tie_points_and_moves_nothing(shifted, tmp_path):
    paths, notes = gc.align(*shifted, tmp_path / "out", register="off")
    assert not any("registration" in note for note in notes)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"before.tif", "after.tif", "run.json"}
    with rasterio.open(paths[1]) as second, rasterio.open(shifted[1]) as source:
        np.testing.assert_array_equal(second.read(), source.read())
