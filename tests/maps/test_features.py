from __future__ import annotations

from dataclasses import dataclass, field

import geopandas
import numpy as np
import pandas
import pytest
import scipy.ndimage as ndi
from affine import Affine

from geochange.blocks import PairBlock, PairTraits
from geochange.io.stores.score import decode_score, encode_score
from geochange.maps import evidence
from geochange.maps.components import measure
from geochange.maps.features import change_features, classify
from geochange.tiles import Tile, Window

SHAPE = (60, 75)
GRID = Affine(10, 0, 500000, 0, -10, 5000000)


@dataclass
class ArrayPair:
    before: np.ndarray
    after: np.ndarray
    valid: np.ndarray
    traits: PairTraits
    dates: tuple[str | None, str | None] = ("2020-01-02", None)
    read_windows: list[Window] = field(default_factory=list)

    def salvage(self, window: Window) -> PairBlock:
        self.read_windows.append(window)
        rows, cols = window.slices_in(Window(0, 0, *SHAPE))
        before, after = self.before[:, rows, cols], self.after[:, rows, cols]
        return PairBlock(before, after, self.valid[rows, cols], Tile(0, window, window))


@pytest.fixture
def scene(array_source):
    """A mask, a score and a pair; every pixel of ``labels`` knows its component."""
    rng = np.random.default_rng(5)
    field_ = ndi.gaussian_filter(rng.random(SHAPE), 1.2)
    mask = (field_ > np.quantile(field_, 0.7)).astype(np.uint8)
    score = rng.random(SHAPE).astype(np.float32)
    dates = rng.uniform(100, 5000, (2, 2, *SHAPE)).astype(np.float32)
    traits = PairTraits(("red", "nir"), ("red", "nir"), ("red", "nir"))
    valid = rng.random(SHAPE) < 0.95
    dates[1][:, ~valid] = np.nan
    pair = ArrayPair(dates[0], dates[1], valid, traits)
    return mask, score, pair


def sources(scene, array_source, size):
    mask, score, pair = scene
    return (
        array_source(mask, size, "EPSG:32632", GRID),
        array_source(encode_score(score), size),
        pair,
    )


def collect(batches) -> geopandas.GeoDataFrame:
    return pandas.concat(list(batches), ignore_index=True)


@pytest.mark.parametrize("size", [7, 16, 80])
def test_fields_are_those_of_the_whole_raster(scene, array_source, size):
    mask, score, pair = scene
    found = collect(change_features(*sources(scene, array_source, size)))
    labels, count = ndi.label(mask, np.ones((3, 3)))
    last = [np.flatnonzero(labels == n).max() for n in range(1, count + 1)]
    order = np.argsort(last) + 1
    assert found["id"].tolist() == list(range(1, count + 1))
    stored = decode_score(encode_score(score)).astype(np.float64)
    area = ndi.sum_labels(mask, labels, order)
    np.testing.assert_array_equal(found["pixels"], area)
    np.testing.assert_allclose(found["score_mean"], ndi.mean(stored, labels, order), rtol=1e-6)
    np.testing.assert_allclose(found["score_max"], ndi.maximum(stored, labels, order), rtol=1e-6)
    valid = np.where(pair.valid, labels, 0)
    for band, name in enumerate(["red", "nir"]):
        delta = pair.after[band].astype(np.float64) - pair.before[band]
        mean = ndi.mean(np.nan_to_num(delta), valid, order)
        np.testing.assert_allclose(found[f"delta_{name}"], mean, rtol=1e-6, atol=1e-3)
    np.testing.assert_allclose(found.geometry.area, area * 100)
    np.testing.assert_allclose(found["area_m2"], area * 100, rtol=2e-3)
    assert found.crs.to_epsg() == 32632
    assert set(found["date_before"]) == {"2020-01-02"}
    assert found["date_after"].isna().all()


def test_columns_come_in_the_order_of_the_contract(scene, array_source):
    found = collect(change_features(*sources(scene, array_source, 16)))
    assert list(found.columns) == [
        *("id", "class", "score_mean", "score_max", "pixels", "area_m2", "perimeter_m"),
        *("date_before", "date_after", "cloud_risk", "delta_red", "delta_nir", "geometry"),
    ]


def test_the_risk_of_clouds_is_the_mean_over_the_pixels(scene, array_source):
    class Risk:
        def read(self, window):
            rows = np.arange(window.row, window.stop_row, dtype=np.float32) / 100
            return np.repeat(rows[:, None], window.width, axis=1)

    mask, score, pair = scene
    mask[:] = 0
    mask[20:31, 12:40] = 1
    for size in (16, 64):
        sources_ = sources((mask, score, pair), array_source, size)
        assert collect(change_features(*sources_))["cloud_risk"].isna().all()
        found = collect(change_features(*sources_, risk=Risk()))
        np.testing.assert_allclose(found["cloud_risk"], 0.25, rtol=1e-6)


def test_tiles_without_change_are_not_read_again(scene, array_source):
    mask, score, pair = scene
    mask[:] = 0
    mask[20:24, 30:33] = 1
    sources_ = sources((mask, score, pair), array_source, 16)
    collect(change_features(*sources_))
    assert pair.read_windows == [
        Window(20, 30, 4, 2),
        Window(20, 32, 4, 1),
    ]
    assert sources_[1].reads == pair.read_windows


def test_what_cannot_be_read_has_no_deltas(scene, array_source):
    mask, score, pair = scene
    mask[:] = 0
    mask[5:9, 5:9] = mask[40:44, 50:60] = mask[50:54, 10:14] = 1
    pair.after, pair.valid[:] = np.nan_to_num(pair.after), True
    pair.valid[:20] = pair.valid[:, 55:] = False
    found = collect(change_features(*sources((mask, score, pair), array_source, 80)))
    assert found["delta_red"].isna().tolist() == [True, False, False]
    assert found["class"].tolist()[0] == "change"
    readable = (pair.after - pair.before)[:, 40:44, 50:55].mean(axis=(1, 2), dtype=float)
    np.testing.assert_allclose(found.loc[1, ["delta_red", "delta_nir"]].to_list(), readable)
    assert found["score_mean"].notna().all()


@pytest.mark.parametrize("piece", [1, 8, 200])
def test_the_pieces_that_are_read_do_not_matter(scene, array_source, piece, monkeypatch):
    expected = collect(change_features(*sources(scene, array_source, 16)))
    monkeypatch.setattr(evidence, "PIECE_PX", piece)
    found = collect(change_features(*sources(scene, array_source, 16)))
    pandas.testing.assert_frame_equal(found, expected, check_exact=True)


def test_a_mask_alone_gives_polygons_without_evidence(scene, array_source):
    mask, _, _ = scene
    found = collect(change_features(array_source(mask, 16)))
    assert list(found.columns) == ["id", "class", "pixels", "area_m2", "perimeter_m", "geometry"]
    assert found["area_m2"].isna().all()
    assert found.crs is None
    assert set(found["class"]) == {"change"}


def test_different_bands_leave_out_deltas(scene, array_source):
    mask, score, pair = scene
    pair.traits = PairTraits(("red", "nir"), ("vv",), ("red", "nir"))
    found = collect(change_features(*sources((mask, score, pair), array_source, 16)))
    assert not [name for name in found if name.startswith("delta_")]
    assert set(found["class"]) == {"change"}


def test_smoothed_polygons_keep_area_and_number(scene, array_source):
    exact = collect(change_features(*sources(scene, array_source, 16)))
    rounded = collect(change_features(*sources(scene, array_source, 16), smoothed=True))
    assert rounded["id"].tolist() == exact["id"].tolist()
    assert rounded.is_valid.all()
    np.testing.assert_allclose(rounded.geometry.area, exact.geometry.area, rtol=0.01)


def test_measures_know_the_centre(scene, array_source):
    mask, _, _ = scene
    found = np.concatenate([m.centroid for m in measure(array_source(mask, 9), connectivity=4)])
    labels, count = ndi.label(mask)
    last = [np.flatnonzero(labels == n).max() for n in range(1, count + 1)]
    expected = np.array(ndi.center_of_mass(mask, labels, np.argsort(last) + 1)) + 0.5
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("before", "delta", "expected"),
    [
        ((400, 4000), (1500, -1500), "vegetation_loss"),
        ((1500, 1600), (-1000, 2000), "vegetation_gain"),
        ((1000, 1200), (300, 360), "brighter"),
        ((1000, 1200), (-300, -360), "darker"),
        ((1000, 1200), (10, -5), "change"),
        ((np.nan, np.nan), (np.nan, np.nan), "change"),
    ],
)
def test_classes_follow_the_mean_spectrum(before, delta, expected):
    found = classify(np.array([before], float), np.array([delta], float), ["red", "nir"])
    assert found.tolist() == [expected]


def test_without_roles_only_brightness_speaks():
    found = classify(np.array([[400.0, 4000.0]]), np.array([[1500.0, -1500.0]]), [None, None])
    assert found.tolist() == ["change"]
