from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage as ndi
import skimage.morphology
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.errors import UsageError
from geochange.io.stores.score import MASK_NODATA, SCORE_NODATA, decode_score, encode_score
from geochange.io.stores.tilestore import TileStore
from geochange.maps.clean import Cleaning, binarize, clean
from geochange.tiles import Window


@dataclass(frozen=True)
class Limit:
    value: float | None
    low: float | None = None


STRUCTURE = {4: ndi.generate_binary_structure(2, 1), 8: np.ones((3, 3))}


def clean_whole(score: np.ndarray, limit: Limit, options: Cleaning) -> np.ndarray:
    """The same chain on the whole raster, by scipy and scikit-image."""
    known = ~np.isnan(score)
    change = known & (score >= limit.value)
    if limit.low is not None:
        labels, _ = ndi.label(known & (score >= limit.low), STRUCTURE[options.connectivity])
        change = (labels > 0) & np.isin(labels, labels[change])
    if options.opening_px:
        disc = skimage.morphology.disk(options.opening_px)
        left = ndi.binary_erosion(change | ~known, disc, border_value=1) & known
        change = ndi.binary_dilation(left, disc) & known
    if options.closing_px:
        disc = skimage.morphology.disk(options.closing_px)
        grown = ndi.binary_dilation(change, disc)
        change = ndi.binary_erosion(grown | ~known, disc, border_value=1) & known
    if options.max_hole_px:
        change = _fill(change, known, options)
    if options.min_area_px > 1:
        labels, _ = ndi.label(change, STRUCTURE[options.connectivity])
        change = (labels > 0) & (np.bincount(labels.ravel())[labels] >= options.min_area_px)
    return np.where(known, change, MASK_NODATA).astype(np.uint8)


def _fill(change: np.ndarray, known: np.ndarray, options: Cleaning) -> np.ndarray:
    labels, _ = ndi.label(~change, STRUCTURE[12 - options.connectivity])
    outer = np.ones_like(change)
    outer[1:-1, 1:-1] = ~known[1:-1, 1:-1]
    small = np.bincount(labels.ravel())[labels] <= options.max_hole_px
    return change | (small & ~np.isin(labels, labels[outer]))


def make_score(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    score = ndi.gaussian_filter(rng.random(shape), rng.choice([0.0, 0.7, 1.5]))
    score = (score - score.min()) / max(float(np.ptp(score)), 1e-9)
    score[rng.random(shape) < rng.choice([0.0, 0.05])] = np.nan
    score[:, : rng.integers(0, 4)] = np.nan
    return decode_score(encode_score(score.astype(np.float32)))


def run_clean(
    folder: Path, score: np.ndarray, size: int, limit: Limit, options: Cleaning
) -> np.ndarray:
    geobox = GeoBox(score.shape, Affine.identity(), None)
    stored = TileStore(folder / f"score-{size}", geobox, size, "uint16", SCORE_NODATA)
    levels = encode_score(score)
    for tile in stored.plan:
        stored.write(tile, levels[tile.core.slices_in(Window(0, 0, *score.shape))])
    mask = TileStore(folder / f"mask-{size}", geobox, size, "uint8", MASK_NODATA)
    clean(stored, mask, limit, options)
    assert all(mask.has(tile.index) for tile in mask.plan)
    assert sorted(p.name for p in folder.iterdir()) == [f"mask-{size}", f"score-{size}"]
    return mask.read(Window(0, 0, *score.shape))


@pytest.mark.parametrize("seed", range(24))
def test_any_tile_size_gives_the_result_of_the_whole_raster(tmp_path, seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(3, 40, 2))
    limit = Limit(float(rng.uniform(0.35, 0.7)), float(rng.uniform(0.2, 0.35)))
    limit = limit if seed % 2 else Limit(limit.value)
    options = Cleaning(
        opening_px=int(rng.integers(0, 3)) * (seed % 3 == 0),
        closing_px=int(rng.integers(0, 4)) * (seed % 4 == 0),
        max_hole_px=int(rng.choice([0, 1, 4, 30])),
        min_area_px=int(rng.choice([1, 3, 12])),
        connectivity=int(rng.choice([4, 8])),
    )
    score = make_score(rng, shape)
    expected = clean_whole(score, limit, options)
    size = int(rng.choice([4, 7, 16, 64]))
    found = run_clean(tmp_path, score, size, limit, options)
    np.testing.assert_array_equal(found, expected)


def test_small_parts_of_a_large_component_stay(tmp_path):
    score = np.zeros((9, 40), np.float32)
    score[4, 3:37] = 1.0
    found = run_clean(tmp_path, score, 8, Limit(0.5), Cleaning(min_area_px=34))
    assert found.sum() == 34


def test_a_hole_at_nodata_or_at_the_border_is_no_hole(tmp_path):
    score = np.ones((12, 12), np.float32)
    score[0, 3] = score[5, 5] = score[8, 8] = 0
    score[8, 9] = np.nan
    found = run_clean(tmp_path, score, 5, Limit(0.5), Cleaning(max_hole_px=9))
    assert (found[0, 3], found[5, 5], found[8, 8], found[8, 9]) == (0, 1, 0, MASK_NODATA)


def test_change_beside_nodata_survives_an_opening_but_speckle_does_not(tmp_path):
    score = np.zeros((20, 20), np.float32)
    score[:, :6] = np.nan
    score[8:16, 6:12] = 1.0
    score[2, 6] = 1.0
    found = run_clean(tmp_path, score, 8, Limit(0.5), Cleaning(opening_px=2))
    assert (found[10:14, 6] == 1).all()
    assert found[2, 6] == 0
    assert (found[:, :6] == MASK_NODATA).all()


def test_nothing_changed_is_an_answer(tmp_path):
    score = np.ones((10, 10), np.float32)
    score[0, 0] = np.nan
    found = run_clean(tmp_path, score, 4, Limit(None), Cleaning(closing_px=1, max_hole_px=5))
    assert found[0, 0] == MASK_NODATA
    assert not found.ravel()[1:].any()


def test_a_threshold_taken_from_a_stored_score_includes_it():
    levels = np.arange(0, 65535, 7, dtype=np.uint16)
    for level in levels[::500]:
        value = float(decode_score(levels)[levels == level][0])
        np.testing.assert_array_equal(binarize(levels, value), levels >= level)


@pytest.mark.parametrize("options", [{"connectivity": 6}, {"min_area_px": -1}])
def test_impossible_options_are_refused(options):
    with pytest.raises(UsageError, match="it must"):
        Cleaning(**options)
