"""A screen leaves cells out, changes nothing in the others, and depends on no tile."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geochange.blocks import PairTraits
from geochange.detectors.base import plan_tiles
from geochange.detectors.imagenetwork import ImageNetwork, choose_screen
from geochange.detectors.methods.context import ContextDetector
from geochange.detectors.methods.cva import CVA
from geochange.detectors.network import NetworkDetector
from geochange.detectors.wrappers.rectangles import cover_cells
from geochange.detectors.wrappers.screened import Screened, put_screen, tell_screened
from geochange.errors import InputError, UsageError
from geochange.io.stores.score import SCORE_SCALE
from geochange.nn.checkpoints.card import Band, Card, Recall
from geochange.nn.checkpoints.checkpoint import save_checkpoint
from geochange.nn.networks.registry import build_model
from geochange.nn.normalization import FixedNormalization, Scaling, SceneNormalization
from geochange.pipeline import detect
from geochange.testing import ArrayPair
from geochange.tiles import TilePlan

CELL = 16
SIZE = 112
PAN = (Band("pan"),)
UNIT = Scaling((0.0,), (1.0,))
CARD = Card("demo screen", PAN, PAN, FixedNormalization(UNIT, UNIT), task="image", image_px=CELL)
SMALL = {"widths": (4, 8), "depths": (0, 1), "width": 8, "shrink": 1}


@pytest.fixture(scope="module")
def pair():
    """Quiet ground with a bright square that appears, and a corner without data."""
    rng = np.random.default_rng(0)
    before = rng.normal(0, 0.3, (1, SIZE, SIZE)).astype(np.float32)
    after = before + rng.normal(0, 0.1, before.shape).astype(np.float32)
    after[:, 40:52, 40:70] += 4
    before[:, :20, 90:] = np.nan
    return ArrayPair(before, after)


@pytest.fixture(scope="module")
def screen(tmp_path_factory, pair):
    """Write a network whose threshold keeps the cells that it rates highest."""
    torch.manual_seed(1)
    model, path = build_model("image", 1, **SMALL), tmp_path_factory.mktemp("n") / "s.safetensors"
    with torch.no_grad():  # a logit that grows with the difference of the dates
        for p in model.parameters():
            p.abs_()
        model.head.conv.bias.fill_(-3.0)
    save_checkpoint(path, model, CARD)
    rated = rate(path, pair)
    middle = float(np.sort(rated[np.isfinite(rated)])[-8:-6].mean())
    points = Recall(0.9, 0.999, 0.0), Recall(0.99, middle, 0.1)
    save_checkpoint(path, model, replace(CARD, recalls=points))
    return str(path)


def rate(path, pair):
    network = ImageNetwork(checkpoint=str(path), precision="fp32").fit([])
    count = SIZE // CELL

    def cells(image):
        parts = image.reshape(-1, count, CELL, count, CELL).transpose(1, 3, 0, 2, 4)
        return parts.reshape(count**2, -1, CELL, CELL)

    rated = network.rate(cells(pair.before), cells(pair.after), cells(pair.valid)[:, 0])
    return rated.reshape(count, count)


def score_tiled(detector, pair, size):
    plan = plan_tiles(detector, pair.shape, size)
    whole = np.full(pair.shape, -1, np.float32)
    for tile in plan:
        block = pair.read(tile)
        score = detector.score(block.before[None], block.after[None], block.valid[None])[0]
        core = tile.core.slices_in(type(tile.core)(0, 0, *pair.shape))
        whole[core] = score[tile.core_in_read]
    return whole


@pytest.fixture(params=[CVA, ContextDetector], ids=["cva", "context"])
def fitted(request, pair, screen):
    network = ImageNetwork(checkpoint=screen, precision="fp32")
    plain, screened = request.param(), Screened(request.param(), network, recall=0.99)
    for detector in (plain, screened):
        detector.fit(pair.blocks(plan_tiles(detector, pair.shape, 64)))
    return plain, screened


def test_kept_cells_score_as_without_a_screen_and_others_0(fitted, pair, screen):
    plain, screened = fitted
    rated = rate(screen, pair)
    kept = np.kron(rated >= screened.limit, np.ones((CELL, CELL))).astype(bool)
    assert 0 < kept.mean() < 0.5
    found, expected = (score_tiled(d, pair, 64) for d in (screened, plain))
    seen = kept & pair.valid
    np.testing.assert_allclose(
        found[seen], np.maximum(expected[seen], SCORE_SCALE), atol=1e-5, rtol=0
    )
    assert (found[~kept & pair.valid] == 0).all()
    np.testing.assert_array_equal(np.isnan(found), ~pair.valid)


@pytest.mark.parametrize("size", [40, 112, 200])
def test_no_tile_size_changes_what_is_left_out(fitted, pair, size):
    _, screened = fitted
    found, expected = (score_tiled(screened, pair, n) for n in (size, 64))
    np.testing.assert_array_equal(found == 0, expected == 0)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def test_what_the_detector_has_the_screened_one_has(screen):
    network = NetworkDetectorLike()
    screened = Screened(network, ImageNetwork(checkpoint=screen), recall=0.9)
    assert (screened.halo, screened.step, screened.threshold) == (CELL, 48, "fixed:0.3")
    assert screened.fit_halo == 5
    assert screened.score_is_probability


class NetworkDetectorLike:
    halo, step, threshold, score_is_probability = 5, 12, "fixed:0.3", True


def test_screened_pixels_do_not_count_for_the_threshold(screen):
    screened = Screened(CVA(), ImageNetwork(checkpoint=screen), recall=0.99)
    screened.screening_, screened.seen_share_ = True, 0.2
    histogram = np.array([90, 6, 4], np.int64)
    compared, facts, notes = tell_screened(screened, histogram)
    assert compared.tolist() == [0, 6, 4]
    assert (facts["screened_px"], facts["screened_share"]) == (90, 0.9)
    assert "90.0%" in notes[0]
    assert tell_screened(CVA(), histogram)[1:] == ({}, [])
    nothing = np.array([9, 0, 0], np.int64)
    assert tell_screened(screened, nothing)[0].tolist() == [9, 0, 0]


@given(st.integers(0, 2**20 - 1), st.integers(0, 40), st.sampled_from([1, 8, 16]))
@settings(max_examples=60, deadline=None)
def test_rectangles_cover_all_kept_cells_with_their_margin(bits, halo, step):
    kept = np.array([bits >> n & 1 for n in range(20)], bool).reshape(4, 5)
    seen, shape = np.zeros((60, 70), bool), (60, 70)
    for part, inner in cover_cells(kept, 16, halo, step, shape):
        seen[inner] = True
        for outer, core, edge in zip(part, inner, shape, strict=True):
            assert outer.start % step == 0
            assert outer.start <= max(0, core.start - halo)
            assert outer.stop >= min(edge, core.stop + halo)
    cells = np.kron(kept, np.ones((16, 16), bool))
    assert seen[: cells.shape[0], : cells.shape[1]][cells[:60, :70]].all()


def test_an_image_that_is_cheaper_to_see_whole_is_seen_once():
    kept = np.zeros((8, 8), bool)
    kept[::2, ::2] = True
    ((part, inner),) = cover_cells(kept, 16, 16, 8, (128, 128))
    assert part == (slice(0, 128), slice(0, 128))
    assert inner == (slice(0, 112), slice(0, 112))


@pytest.mark.parametrize(
    ("change", "recall", "said"),
    [
        ({}, 0.999, "knows no threshold"),
        ({}, 0.0, "above 0"),
        ({"normalization": SceneNormalization()}, 0.99, "normalised by the scene"),
        ({"recalls": ()}, 0.99, "train it again"),
    ],
)
def test_networks_that_cannot_screen_are_refused(screen, tmp_path, change, recall, said):
    card = ImageNetwork(checkpoint=screen).card
    path = tmp_path / "other.safetensors"
    save_checkpoint(path, build_model("image", 1, **SMALL), replace(card, **change))
    with pytest.raises(UsageError, match=said):
        Screened(CVA(), ImageNetwork(checkpoint=str(path)), recall=recall)


def test_a_network_of_one_date_cannot_screen(screen, tmp_path):
    card, path = ImageNetwork(checkpoint=screen).card, tmp_path / "one.safetensors"
    save_checkpoint(path, build_model("image", 1, dates=1, **SMALL), card)
    with pytest.raises(UsageError, match="one date"):
        Screened(CVA(), ImageNetwork(checkpoint=str(path)), recall=0.99)


def test_tasks_are_not_mixed_up(screen):
    with pytest.raises(InputError, match="use it with `geochange detect"):
        ImageNetwork(checkpoint="building")
    with pytest.raises(InputError, match="use it with `geochange predict-image"):
        NetworkDetector(checkpoint=screen)


def test_without_a_screen_there_is_no_recall():
    traits = PairTraits(("VV",), ("VV",), ("sar",))
    assert put_screen(CVA(), None, None, traits).__class__ is CVA
    with pytest.raises(UsageError, match="name a screen"):
        put_screen(CVA(), None, 0.9, traits)
    with pytest.raises(UsageError, match="no network for screening"):
        choose_screen("auto", traits)


def test_a_run_tells_what_was_left_out_and_can_be_gone_on_with(
    write_raster, pair, screen, tmp_path
):
    paths = [
        write_raster(f"{name}.tif", getattr(pair, name), names=("pan",), nodata=np.nan)
        for name in ("before", "after")
    ]
    options = {"method": "cva", "screen": screen, "register": "off", "normalize": "off"}
    runs = [
        detect(*paths, tmp_path / f"out{size}", tile_size=size, threads=threads, **options)
        for size, threads in ((32, 1), (112, 2))
    ]
    scores = [run.open().values for run in runs]
    np.testing.assert_array_equal(*scores)
    told = json.loads((runs[0].path / "run.json").read_text())
    assert told["screening"]["cell_px"] == CELL
    share = (scores[0] == 0).sum() / np.isfinite(scores[0]).sum()
    assert told["screening"]["screened_share"] == pytest.approx(share, abs=1e-6)
    assert any("screened out" in note for note in told["notes"])
    assert "screened out" in (runs[0].path / "report.html").read_text()
    assert "--screen" in told["command"]
    again = detect(*paths, tmp_path / "out32", tile_size=32, resume=True, **options)
    assert again.path == runs[0].path
    with pytest.raises(FileExistsError):
        detect(*paths, tmp_path / "out32", tile_size=32, **options | {"screen_recall": 0.9})


@pytest.mark.parametrize("most_seen", [0.99, 0.0], ids=["used", "left out"])
def test_a_screened_run_that_was_interrupted_goes_on_to_the_same_bytes(
    write_raster, pair, screen, tmp_path, monkeypatch, most_seen
):
    monkeypatch.setattr("geochange.detectors.wrappers.screened.MOST_SEEN", most_seen)
    paths = [
        write_raster(f"{name}.tif", getattr(pair, name), names=("pan",), nodata=np.nan)
        for name in ("before", "after")
    ]
    options = {
        "method": "context", "screen": screen, "register": "off", "normalize": "off",
        "tile_size": 32, "threads": 1, "threshold": 0.3, "products": ["score", "mask"],
    }  # fmt: skip
    whole = detect(*paths, tmp_path / "whole", **options)
    scored = []
    score = Screened.score

    def count(self, *tiles):
        scored.append(1)
        if len(scored) == 6:
            raise KeyboardInterrupt
        return score(self, *tiles)

    monkeypatch.setattr(Screened, "score", count)
    with pytest.raises(KeyboardInterrupt):
        detect(*paths, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
    resumed = detect(*paths, tmp_path / "out", resume=True, **options)
    assert len(scored) == 6 + len(TilePlan(pair.shape, 32)) - 5
    for name in ("score.tif", "mask.tif"):
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert resumed.run["screening"] == whole.run["screening"]
    assert whole.run["screening"]["used"] == (most_seen > 0)


def test_a_scene_that_would_be_seen_all_the_same_is_not_screened(pair, screen, monkeypatch):
    network = ImageNetwork(checkpoint=screen, precision="fp32")
    plain, screened = ContextDetector(), Screened(ContextDetector(), network, recall=0.99)
    margins = screened.halo, screened.step
    assert margins == (-(-plain.halo // CELL) * CELL, CELL)
    monkeypatch.setattr("geochange.detectors.wrappers.screened.MOST_SEEN", 0.0)
    for detector in (plain, screened):
        detector.fit(pair.blocks(plan_tiles(plain, pair.shape, 64)))
    assert (screened.halo, screened.step) == (plain.halo, 1)
    assert 0 < screened.seen_share_ <= 1
    np.testing.assert_array_equal(score_tiled(screened, pair, 64), score_tiled(plain, pair, 64))
    histogram = np.array([90, 6, 4], np.int64)
    compared, facts, notes = tell_screened(screened, histogram)
    assert compared.tolist() == [90, 6, 4]
    assert (facts["used"], facts["screened_px"]) == (False, 0)
    assert "was not used" in notes[0]
