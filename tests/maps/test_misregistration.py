import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage

from geochange.blocks import PairBlock
from geochange.io.grids.displacement import Displacement
from geochange.maps import misregistration
from geochange.maps.misregistration import add_risk, measure_risk
from geochange.registration.residual import Residual, measure_residual
from geochange.registration.result import Registration
from geochange.registration.ties import Tie
from geochange.tiles import Tile, Window

PLACE = Affine(10, 0, 500000, 0, -10, 5000000)
SHIFT = 0.6


class Pictures:
    """Two dates in memory."""

    def __init__(self, before, after):
        self.dates = before, after
        self.geobox = GeoBox(before.shape[1:], PLACE, "EPSG:32632")

    def salvage(self, window):
        frame = Window(0, 0, *self.dates[0].shape[1:])
        inside = frame.intersect(window)
        blocks = [np.zeros((len(d), *window.shape), np.float32) for d in self.dates]
        valid = np.zeros(window.shape, bool)
        for block, date in zip(blocks, self.dates, strict=True):
            block[:, *inside.slices_in(window)] = date[:, *inside.slices_in(frame)]
        valid[inside.slices_in(window)] = True
        return PairBlock(*blocks, valid, Tile(0, window, window))


@pytest.fixture
def pair():
    """A bright roof, moved by 0.6 columns, and a new road elsewhere; the dates differ in light."""
    before = np.full((2, 80, 120), 100.0)
    before[:, 20:50, 30:60] = 180
    before = ndimage.gaussian_filter(before, (0, 0.8, 0.8))
    after = ndimage.shift(before, (0, 0, SHIFT), order=3, mode="nearest") + 12
    after[:, 10:70, 90:93] += 60
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.5, (2, *before.shape))
    return Pictures(*(np.stack([before, after]) + noise).astype(np.float32))


def left(dx, dy, scatter=0.0):
    points = np.array([[30.0, 30.0], [90.0, 30.0], [60.0, 60.0]])
    vectors = np.tile([dx, dy], (3, 1)) + scatter * np.array([[1, 0], [-1, 0], [0, 0]])
    return Residual(points, vectors, np.zeros(3))


EDGE = shapely.box(29, 22, 31, 48)
ROAD = shapely.box(90, 10, 93, 70)
ACROSS = shapely.box(32, 19, 58, 21)
SQUARE = shapely.box(40, 30, 46, 36)


def test_an_edge_that_moved_is_a_risk_and_a_road_is_none(pair):
    risk = measure_risk(np.array([EDGE, ROAD, SQUARE]), pair, left(SHIFT, 0.0))
    assert risk[0] > 0.7
    assert risk[1] < 0.1
    assert risk[2] == 0


def test_an_edge_along_the_shift_is_no_risk(pair):
    along, across = (
        measure_risk(np.array([EDGE]), pair, left(*shift))[0] for shift in ((0, SHIFT), (SHIFT, 0))
    )
    assert along < 0.15 * across


def test_the_risk_grows_with_the_residual(pair):
    risks = [measure_risk(np.array([EDGE]), pair, left(dx, 0))[0] for dx in (0.05, 0.15, 0.3, 0.6)]
    assert risks[0] == 0
    assert np.all(np.diff(risks) > 0)
    scattered = measure_risk(np.array([EDGE]), pair, left(0.0, 0.0, 0.6))
    assert scattered[0] > 0.3


def test_cells_change_nothing(pair, monkeypatch):
    whole = measure_risk(np.array([EDGE, ROAD]), pair, left(SHIFT, 0.1))
    monkeypatch.setattr(misregistration, "CELL_PX", 7)
    assert measure_risk(np.array([EDGE, ROAD]), pair, left(SHIFT, 0.1)) == pytest.approx(whole)


def test_a_batch_gets_the_field(pair):
    geometry = shapely.transform(
        np.array([EDGE, ROAD]), lambda xy: xy * [10, -10] + [500000, 5000000]
    )
    frame = geopandas.GeoDataFrame({"id": [1, 2]}, geometry=geometry, crs="EPSG:32632")
    [known] = add_risk([frame], pair, left(SHIFT, 0.0))
    assert (known["misregistration_risk"].to_numpy() > 0.5).tolist() == [True, False]
    [unknown] = add_risk([frame], pair, None)
    assert unknown["misregistration_risk"].isna().all()
    [empty] = add_risk([frame.iloc[:0]], pair, left(SHIFT, 0.0))
    assert list(empty.columns) == ["id", "geometry", "misregistration_risk"]


def test_beside_the_grid_and_without_data_nothing_is_known(pair):
    pair.salvage = lambda window: PairBlock(
        *np.zeros((2, 2, *window.shape), np.float32),
        np.zeros(window.shape, bool),
        Tile(0, window, window),
    )
    assert np.isnan(measure_risk(np.array([EDGE]), pair, left(SHIFT, 0.0))).all()


def test_what_is_corrected_is_not_left():
    ties = tuple(Tie(x, 10.0, "used", 1.5, 0.0, sigma_px=0.01) for x in (10.0, 20.0, 30.0))
    ties += (Tie(40.0, 10.0, "outlier", 9.0, 9.0),)
    moved = Displacement.shift(1.4, 0.0)
    found = Registration("auto", "shift", moved, reliable=True, applied=True, ties=ties)
    mean, scatter = measure_residual(found).near(np.array([[0.0, 0.0]]))
    assert mean == pytest.approx(np.array([[0.1, 0.0]]))
    assert scatter == pytest.approx([0.0])
    as_they_lie = Registration("auto", "shift", moved, reliable=True, applied=False, ties=ties)
    assert measure_residual(as_they_lie).vectors[0].tolist() == [1.5, 0.0]
    assert measure_residual(Registration()) is None
