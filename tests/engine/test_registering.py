"""Registration of pairs of files whose displacement is known."""

from __future__ import annotations

import pickle

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from scipy import ndimage

import geochange as gc
from geochange.engine import registering
from geochange.engine.overviews import see_coarsely
from geochange.engine.runner import open_runner
from geochange.engine.stages import Stages
from geochange.errors import UsageError
from geochange.io.grids.displacement import Displacement
from geochange.tiles import Window

SHAPE = (420, 480)
HERE = Affine(10, 0, 500000, 0, -10, 5000000)


def _ground(bands=3, seed=0, shape=SHAPE):
    """Texture at two scales, float32 (bands, H + 200, W + 200)."""
    rng = np.random.default_rng(seed)
    size = (bands, shape[0] + 200, shape[1] + 200)
    fields = [ndimage.gaussian_filter(rng.normal(size=size), (0, s, s)) for s in (1.5, 6)]
    return sum(1000 * f / f.std() for f in fields) + 8000


def _look(ground, displacement, seed):
    """Image whose content moved, with noise: after(locate(p)) = ground(p)."""
    rows, cols = np.indices(SHAPE) + 0.5
    points = np.column_stack([cols.ravel(), rows.ravel()])
    back = points.copy()
    for _ in range(20):
        back = points - displacement.at(back)
    x, y = back.T + 100
    image = [ndimage.map_coordinates(band, [y - 0.5, x - 0.5], order=3) for band in ground]
    noise = np.random.default_rng(seed).normal(0, 60, (len(ground), *SHAPE))
    return np.stack(image).reshape(-1, *SHAPE) + noise


@pytest.fixture
def make_pair(write_raster):
    """Write a pair with a displacement, another light and a fifth of the area changed."""

    def make(displacement, *, change=0.15, after=None, **profile):
        ground = _ground()
        first, second = _look(ground, Displacement(), 1), _look(ground, displacement, 2)
        edge = int(SHAPE[0] * change**0.5)
        second[:, 40 : 40 + edge, 60 : 60 + edge] = 8000 + 900 * np.random.default_rng(5).normal(
            size=(3, edge, edge)
        )
        second = 1.2 * second - 300 if after is None else after(second)
        paths = [
            write_raster(f"{name}.tif", image.clip(1, 60000).astype(np.uint16), nodata=0, **profile)
            for name, image in (("b", first), ("a", second))
        ]
        return gc.open_pair(*paths)

    return make


def _error(found, displacement):
    y, x = np.mgrid[20:400:40, 20:460:40] + 0.5
    points = np.column_stack([x.ravel(), y.ravel()])
    off = found.displacement.at(points) - displacement.at(points)
    return float(np.sqrt((off**2).sum(axis=1).mean()))


SHIFT = Displacement.shift(1.3, -0.6)
FAR = Displacement.shift(-61.4, 47.2)
TURN = Displacement((1.003, -0.004, 1.0, 0.004, 1.003, -2.0))


@pytest.mark.parametrize(("moved", "model"), [(SHIFT, "shift"), (FAR, "shift"), (TURN, "affine")])
def test_the_displacement_is_found_and_taken_out(make_pair, moved, model):
    pair = make_pair(moved)
    found = gc.register(pair)
    assert found.applied
    assert found.model == model
    assert _error(found, moved) < 0.03
    assert found.residual_after_px < 0.1 < found.residual_before_px
    again = gc.register(found.apply(pair))
    assert not again.applied, again.said
    assert again.reliable


@pytest.mark.slow
def test_rotation_and_scale_beyond_correlation_are_found_by_features(make_pair):
    turned = Affine.translation(240, 210) @ Affine.rotation(6) @ Affine.scale(1.05)
    turned = Displacement(tuple(turned @ Affine.translation(-240, -210))[:6])
    found = gc.register(make_pair(turned))
    assert found.applied, found.said
    assert found.matching == "features"
    assert _error(found, turned) < 0.05


def test_a_smooth_field_is_found_and_reading_along_it_leaves_nothing(make_pair):
    cols, rows = np.meshgrid(np.arange(6), np.arange(6))
    tables = 1.5 * np.sin(0.5 * cols + 0.3 * rows), 1.2 * np.cos(0.5 * rows)
    tables = [tuple(tuple(map(float, row)) for row in table) for table in tables]
    bent = Displacement(field=_spline(tables))
    pair = make_pair(bent)
    found = gc.register(pair)
    assert found.model == "field"
    assert _error(found, bent) < 0.05
    assert found.residual_after_px < 0.1 < found.residual_before_px
    assert not gc.register(found.apply(pair)).applied


def _spline(tables):
    from geochange.io.grids.splinefield import SplineField

    return SplineField(SHAPE, *tables)


def test_nothing_moved_nothing_done(make_pair):
    pair = make_pair(Displacement())
    found = gc.register(pair)
    assert found.reliable
    assert not found.applied
    assert "left as they are" in found.said
    assert found.apply(pair).after == pair.after


def test_inverted_contrast_is_matched_by_gradients(make_pair):
    found = gc.register(make_pair(SHIFT, after=lambda image: 20000 - image))
    assert found.matching == "gradient"
    assert _error(found, SHIFT) < 0.05


def test_images_that_have_nothing_in_common_are_left_and_it_is_said(write_raster):
    images = [_ground(seed=seed)[:, :300, :300].astype(np.uint16) for seed in (1, 2)]
    pair = gc.open_pair(*(write_raster(f"{i}.tif", image) for i, image in enumerate(images)))
    found = gc.register(pair)
    assert not found.reliable
    assert not found.applied
    assert "not reliable" in found.said
    assert "as they lie" in found.said


@pytest.mark.parametrize("size", [40, 64])
def test_a_chip_of_one_window_is_registered_if_it_has_much_in_common(write_raster, size):
    ground = _ground()
    moved = ndimage.shift(ground, (0, -0.4, 1.3), order=3)
    other = _ground(seed=7)
    chips = [image[:, 100 : 100 + size, 90 : 90 + size] for image in (ground, moved, other)]
    paths = [write_raster(f"{i}.tif", chip.astype(np.uint16)) for i, chip in enumerate(chips)]
    found = gc.register(gc.open_pair(paths[0], paths[1]))
    assert found.applied
    np.testing.assert_allclose(found.displacement.matrix[2::3], (1.3, -0.4), atol=0.05)
    assert not gc.register(gc.open_pair(paths[0], paths[2])).reliable


def test_flat_images_and_images_without_data_are_left(write_raster):
    flat = np.full((1, 200, 200), 700, np.uint16)
    pair = gc.open_pair(write_raster("b.tif", flat), write_raster("a.tif", flat))
    assert "flat" in gc.register(pair).said
    empty = gc.open_pair(
        write_raster("c.tif", flat, nodata=700), write_raster("d.tif", flat, nodata=700)
    )
    found = gc.register(empty)
    assert not found.applied
    assert "no data" in found.said


def test_modes(make_pair):
    pair = make_pair(Displacement.shift(0.06, 0.0))
    assert not gc.register(pair).applied
    assert gc.register(pair, mode="global").applied
    assert gc.register(pair, mode="off").said == ""
    assert gc.register(pair, mode="local").model == "field"
    with pytest.raises(UsageError, match="unknown registration"):
        gc.register(pair, mode="always")


def test_the_answer_does_not_depend_on_threads_and_the_result_pickles(make_pair):
    pair = make_pair(SHIFT)
    found = gc.register(pair, threads=1)
    assert gc.register(pair, threads=3) == found
    corrected = pickle.loads(pickle.dumps(found.apply(pair)))
    window = Window(100, 100, 50, 60)
    np.testing.assert_array_equal(
        corrected.after.read(window)[0], found.apply(pair).after.read(window)[0]
    )


def test_a_shift_is_found_through_a_warp_and_taken_out_with_it(make_pair, write_raster):
    pair = make_pair(SHIFT)
    block = pair.after.read(Window(0, 0, *SHAPE))[0]
    turned = HERE @ Affine.translation(0.4, 0.3) @ Affine.rotation(3)
    grid = gc.open_pair(
        write_raster("b2.tif", block.astype(np.uint16), nodata=0),
        write_raster("a2.tif", block.astype(np.uint16), nodata=0, transform=turned),
    )
    found = gc.register(grid)  # content of the same array on two grids: an affine apart
    assert found.model == "affine"
    expected = Displacement(tuple(~HERE @ turned)[:6])
    assert _error(found, expected) < 0.05


def test_a_correction_that_no_window_can_confirm_is_not_made(make_pair, monkeypatch):
    monkeypatch.setattr(registering.Look, "check", lambda *_: None)
    found = gc.register(make_pair(SHIFT))
    assert not found.applied
    assert "no window shows the same ground once the correction is made" in found.said
    assert "0.00 px" not in found.said


def test_features_outside_the_area_of_interest_have_no_say(make_pair):
    seen = []
    pair = make_pair(SHIFT)
    corner = shapely.Polygon([(500000, 5000000), (504800, 5000000), (500000, 4995800)])
    inside = gc.open_pair(*pair.paths, aoi=geopandas.GeoSeries([corner], crs="EPSG:32632"))
    for some in (pair, inside):
        with open_runner(threads=1) as runner, Stages(runner) as stages, stages.stage("look"):
            seen.append(see_coarsely(some, stages)[2])
    assert all(known.mean() > 0.9 for known in seen[0])
    assert all(known.mean() == pytest.approx(0.5, abs=0.02) for known in seen[1])
