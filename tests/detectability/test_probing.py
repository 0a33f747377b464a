import numpy as np
import pytest

from geochange.alignment.pair import open_pair
from geochange.detectability.design import Design
from geochange.detectability.noise import PairNoise, measure_noise
from geochange.detectability.probing import Prober, probe
from geochange.detectability.shapes import bound, footprint, render
from geochange.detectors.registry import get_detector
from geochange.engine.runner import open_runner
from geochange.engine.scoring import fit_detector, score_block
from geochange.engine.stages import Stages
from geochange.errors import UsageError
from geochange.io.stores.score import decode_score
from geochange.tiles import Tile, Window


@pytest.fixture
def stages():
    with open_runner(threads=1) as runner, Stages(runner) as stages, stages.stage("probe"):
        yield stages


@pytest.fixture
def prober(pair, stages):
    opened = open_pair(*pair)
    detector = get_detector("context", smoothing=1.0)
    fit_detector(detector, opened, stages)
    return Prober(opened, detector, measure_noise(opened, stages), Design((1.0, 4.0), (3.0, 9.0)))


def test_a_change_alone_scores_as_in_the_whole_scene(prober):
    whole = Window(0, 0, *prober.pair.shape)
    outer = whole.pad(prober.detector.halo)
    block = prober.pair.read(Tile(0, whole, outer))
    for number in range(12):
        tile = prober.plan(1, number)
        levels = prober(tile)
        if levels is None:
            continue
        middle = prober.design.locate(1, number, prober.pair.shape)
        rng = np.random.default_rng((0, 1, number, 1))
        change = 9 * prober.noise.draw("spectral", rng)
        after = block.after + (change[:, None, None] * render(outer, middle, 4.0)).astype("f4")
        scored = score_block(
            prober.detector, type(block)(block.before, after, block.valid, block.tile)
        )
        touched = footprint(whole, middle, 4.0)
        assert decode_score(scored)[touched].max() == pytest.approx(
            decode_score(levels)[2], abs=2e-4
        )


def test_places_are_valid_and_as_many_as_wanted(prober, stages):
    levels = probe(prober, 1, stages)
    assert levels.shape == (100, 1 + 2 * 2)
    assert (levels[:, 2] >= levels[:, 0]).mean() > 0.9
    cols = [
        prober.design.locate(1, n, prober.pair.shape)[1]
        for n in range(100)
        if prober(prober.plan(1, n)) is not None
    ]
    assert min(cols) > 30


def test_a_scene_too_small_for_a_size_has_no_places(prober, stages):
    large = Prober(prober.pair, prober.detector, prober.noise, Design((200.0,), (3.0,)))
    assert probe(large, 0, stages).shape == (0, 3)


def test_places_keep_away_from_each_other():
    design = Design()
    places = np.array([design.locate(3, n, (1000, 1000)) for n in range(100)])
    gaps = np.hypot(*(places[:, None] - places).T)
    gaps[np.diag_indices(100)] = np.inf
    assert gaps.min() > 30
    parts = places % 1
    assert 0.4 < parts.mean() < 0.6
    assert bound(places[0], 1.0).size == 16


@pytest.mark.parametrize(
    "wrong",
    [
        {"sizes_px": ()},
        {"sizes_px": (3.0, 1.0)},
        {"sizes_px": (0.0, 1.0)},
        {"sizes_px": (1.0, 300.0)},
        {"contrasts": (-1.0,)},
        {"sizes_px": (float("nan"),)},
        {"contrasts": (float("nan"),)},
        {"contrasts": (1.0, float("inf"))},
        {"trials": 0},
        {"seed": -1},
        {"shape": "star"},
        {"blur_px": 9.0},
    ],
)
def test_designs_that_cannot_work_are_refused(wrong):
    with pytest.raises(UsageError):
        Design(**wrong)


def test_noise_of_one_sigma_is_what_contrast_counts():
    noise = PairNoise(np.array([2.0, 4.0]), np.diag([2.0, 4.0]))
    drawn = noise.draw("brightness", np.random.default_rng(0))
    assert np.abs(drawn).tolist() == [2.0, 4.0]
