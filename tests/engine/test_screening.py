from __future__ import annotations

import numpy as np
import pytest

import geochange as gc
from geochange.engine.runner import open_runner
from geochange.engine.screening import screen_pair
from geochange.engine.stages import Stages
from geochange.radiometry.cloudiness import Clouds
from geochange.tiles import Window

NAMES = ("Blue", "Green", "Red", "NIR")


@pytest.fixture
def write_dates(write_raster):
    """Write two dates of 10 m reflectance x 10 000, a cloud of 400 m at the second."""

    def write(scale=1.0, dtype=np.uint16, names=NAMES):
        noise = np.random.default_rng(0).normal(0, 50, (2, 4, 200, 220))
        dates = np.array([800, 900, 800, 3000])[:, None, None] + noise
        dates[1, :, 100:140, 50:90] = 6000
        paths = [
            write_raster(f"{n}.tif", (scale * d).astype(dtype), names=names)
            for n, d in zip("ba", dates, strict=True)
        ]
        return [str(path) for path in paths]

    return write


def _screen(pair, *, mask=False):
    with open_runner(threads=2) as runner, Stages(runner) as stages:
        return screen_pair(pair, stages, mask=mask)


@pytest.mark.parametrize(("scale", "dtype"), [(1.0, np.uint16), (1e-4, np.float32)])
def test_shares_are_counted_and_nothing_is_left_out(write_dates, scale, dtype):
    pair = gc.open_pair(*write_dates(scale, dtype))
    found = _screen(pair)
    assert found.shares[0] == 0
    assert 0.03 < found.shares[1] < 0.09
    assert "of the after date look like cloud" in found.said
    assert "nothing is left out" in found.said
    window = Window(90, 40, 60, 60)
    assert found.apply(pair).read_window(window).valid.all()
    assert found.read(pair).read(window)[30, 30] == 1
    assert Clouds.recall(found.store()) == found


def test_a_mask_leaves_out_the_cloud_whatever_the_tile(write_dates):
    pair = gc.open_pair(*write_dates())
    masked = _screen(pair, mask=True).apply(pair)
    whole = masked.read_window(Window(0, 0, 200, 220)).valid
    assert not whole[100:140, 50:90].any()
    assert whole[:80].all()
    part = Window(95, 45, 30, 40)
    inside = part.slices_in(Window(0, 0, 200, 220))
    np.testing.assert_array_equal(masked.read_window(part).valid, whole[inside])


def test_what_cannot_be_told_is_said_to_who_asked(write_dates, write_raster):
    for given, reason in (
        ({"scale": 1 / 40, "dtype": np.uint8}, "8-bit values are no reflectance"),
        ({"names": ("a", "b", "c", "d")}, "that needs bands that are known to be blue"),
        ({"scale": 1e-7, "dtype": np.float32}, "pixel values are no reflectance"),
        ({"scale": 1 / 6}, "pixel values are no reflectance"),  # counts of 11 bits
    ):
        pair = gc.open_pair(*write_dates(**given))
        assert _screen(pair) == Clouds()
        assert f"not left out, since {reason}" in _screen(pair, mask=True).said
    cloud = write_raster("m.tif", np.zeros((1, 200, 220), np.uint8))
    pair = gc.open_pair(*write_dates(), mask_after=cloud)
    assert _screen(pair).model is None


def test_changes_carry_their_risk_and_a_run_can_leave_clouds_out(write_dates, tmp_path):
    dates = write_dates()
    settings = {"method": "cva", "threshold": 0.7, "register": "off"}
    flagged = gc.detect(*dates, tmp_path / "flag", tile_size=64, **settings)
    changes = flagged.polygons()
    assert changes["cloud_risk"].max() > 0.95
    assert flagged.run["clouds"]["shares"][1] > 0.03
    assert any("look like cloud" in note for note in flagged.run["notes"])
    masked = gc.detect(*dates, tmp_path / "mask", mask_clouds=True, **settings)
    assert masked.count == 0
    assert "--mask-clouds" in masked.run["command"]
