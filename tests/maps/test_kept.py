"""What is kept while tiles are scored stands in for a second read of score and inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas
import pytest
import scipy.ndimage as ndi
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.blocks import PairBlock, PairTraits
from geochange.errors import OutputError
from geochange.io.stores.score import MASK_NODATA, SCORE_NODATA, decode_score, encode_score
from geochange.io.stores.tilestore import TileStore
from geochange.maps.clean import Cleaning, clean
from geochange.maps.features import change_features
from geochange.maps.kept import Kept
from geochange.maps.threshold import Threshold
from geochange.tiles import Tile, TilePlan, Window

SHAPE = (150, 140)
LIMIT = Threshold(0.5, None, "fixed", "")


class CountedPair:
    """Two random dates that count the pixels read."""

    traits = PairTraits(("red", "nir"), ("red", "nir"), ("red", "nir"))
    dates = ("2020-01-02", None)

    def __init__(self) -> None:
        self.pixels = np.random.default_rng(1).normal(0, 3e3, (2, 2, *SHAPE)).astype(np.float32)
        self.read_px = 0

    def salvage(self, window: Window) -> PairBlock:
        self.read_px += window.size
        before, after = self.pixels[..., *window.slices_in(Window(0, 0, *SHAPE))]
        return PairBlock(before, after, np.ones(window.shape, bool), Tile(0, window, window))


@pytest.fixture
def scene(tmp_path):
    """Score, cleaned mask and pair; tiles are scored with a halo, and keep what may change."""
    rng = np.random.default_rng(7)
    smooth = ndi.gaussian_filter(rng.random(SHAPE), 1.5)
    share = np.argsort(np.argsort(smooth, axis=None)).reshape(SHAPE) / smooth.size
    score = np.clip(share - 0.48, 0, 1).astype(np.float32)
    score[rng.random(SHAPE) < 0.1] *= 0.3  # holes
    score[40:50, 20:40] = np.nan
    levels = encode_score(score)
    grid = GeoBox(SHAPE, Affine(10, 0, 500000, 0, -10, 5000000), "EPSG:32632")
    store = TileStore(tmp_path / "score", grid, 64, "uint16", SCORE_NODATA)
    mask = TileStore(tmp_path / "mask", grid, 64, "uint8", MASK_NODATA)
    pair, kept = CountedPair(), Kept(store, least=0.5)
    for tile in TilePlan(SHAPE, 64, halo=3):
        stored = levels[tile.core.slices_in(Window(0, 0, *SHAPE))]
        padded = np.pad(pair.pixels, [(0, 0), (0, 0), (3, 60), (3, 60)])
        window = tile.read.slices_in(Window(-3, -3, 0, 0))
        before, after = padded[..., *window]
        kept.keep(tile, stored, PairBlock(before, after, np.ones(tile.read.shape, bool), tile))
        store.write(tile, stored)
    clean(store, mask, LIMIT, Cleaning(max_hole_px=4, min_area_px=4))
    return mask, store, pair, kept


def describe(mask, store, pair, kept):
    return pandas.concat(list(change_features(mask, store, pair, kept=kept)))


def test_nothing_is_read_again_and_nothing_differs(scene):
    mask, store, pair, kept = scene
    assert {path.suffix for path in store.folder.rglob("*.*")} == {".kept", ".tile"}
    found = describe(mask, store, pair, kept)
    missed, pair.read_px = pair.read_px, 0
    expected = describe(mask, store, pair, None)
    assert missed < 0.05 * pair.read_px, "only holes at the edges of tiles have to be read"
    pandas.testing.assert_frame_equal(
        pandas.DataFrame(found), pandas.DataFrame(expected), check_exact=True
    )
    assert found["delta_nir"].notna().all()
    assert len(found) > 5


def test_a_damaged_file_is_no_loss(scene):
    mask, store, pair, kept = scene
    expected = describe(mask, store, pair, kept)
    for number, path in enumerate(sorted(store.folder.rglob("*.kept"))):
        path.write_bytes((b"", b"nonsense", path.read_bytes()[:-9])[number % 3])
    pandas.testing.assert_frame_equal(
        pandas.DataFrame(describe(mask, store, pair, kept)), pandas.DataFrame(expected)
    )


@pytest.mark.parametrize(("share", "files"), [(0.0, 0), (0.02, 1), (0.2, 0)])
def test_only_rare_candidates_are_kept(tmp_path, share, files):
    store = TileStore(
        tmp_path, GeoBox((100, 100), Affine.identity(), None), 100, "uint16", SCORE_NODATA
    )
    score = np.zeros((100, 100), np.float32)
    score.reshape(-1)[: int(share * score.size)] = 0.8
    tile = store.plan[0]
    ones = np.ones((1, 100, 100), np.float32)
    block = PairBlock(ones, ones, np.ones((100, 100), bool), tile)
    Kept(store, decode_score(encode_score(score)).max()).keep(tile, encode_score(score), block)
    assert len(list(tmp_path.rglob("*.kept"))) == files


def test_a_disk_that_takes_no_files_is_one_clear_line(scene, tmp_path):
    _, store, _, kept = scene
    tile = store.plan[0]
    stored = store.read(tile.core)
    ones = np.ones((2, *tile.core.shape), np.float32)
    block = PairBlock(ones, ones, np.ones(tile.core.shape, bool), Tile(0, tile.core, tile.core))
    (tmp_path / "file").write_text("in the way")
    blocked = Kept(replace(store, folder=tmp_path / "file"), kept.least)
    with pytest.raises(OutputError, match=r"cannot write .*kept"):
        blocked.keep(tile, stored, block)
