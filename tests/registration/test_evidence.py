from __future__ import annotations

import numpy as np
import pytest

from geochange.registration.evidence import weigh_models
from geochange.registration.models import list_models
from geochange.registration.ties import Tie

SHAPE = (900, 900)


def _ties(move, *, count=8, noise=0.05, wild=0.0, seed=0):
    rng = np.random.default_rng(seed)
    places = np.linspace(50, 850, count)
    ties = []
    for y in places:
        for x in places:
            moved = np.array(move(x, y)) + rng.normal(0, noise, 2)
            moved = rng.uniform(-12, 12, 2) if rng.random() < wild else moved
            ties.append(Tie(x, y, "used", *map(float, moved), 2.0, 0.7, 0.02))
    return ties


def _weigh(ties, mode="auto", count=8):
    models = list_models(SHAPE, (count, count), mode)
    return weigh_models(ties, models, earn=mode != "local")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("name", "move"),
    [
        ("none", lambda x, y: (0.0, 0.0)),
        ("shift", lambda x, y: (0.4, -0.3)),
        ("affine", lambda x, y: (0.001 * x, 0.3 - 0.001 * y)),
        ("field", lambda x, y: (np.sin(x / 200), np.cos(y / 200))),
    ],
)
def test_the_simplest_model_that_explains_the_windows_is_chosen(name, move, seed):
    found = _weigh(_ties(move, seed=seed, wild=0.15))
    assert found.model.name == name
    assert found.reliable
    assert found.residual_px < 0.2
    outliers = sum(tie.status == "outlier" for tie in found.ties)
    assert 3 <= outliers <= 20


def test_local_takes_a_field_without_asking_and_global_never():
    assert _weigh(_ties(lambda x, y: (1.0, 0.0)), "local").model.name == "field"
    bent = _weigh(_ties(lambda x, y: (np.sin(x / 200), 0)), "global")
    assert bent.model.name in ("none", "shift", "affine")


@pytest.mark.parametrize("seed", range(5))
def test_windows_that_agree_on_nothing_are_not_believed(seed):
    assert not _weigh(_ties(lambda x, y: (0, 0), wild=1.0, seed=seed)).reliable
    few = [
        tie if i % 6 == 0 else tie.reject("no match")
        for i, tie in enumerate(_ties(lambda x, y: (0, 0), wild=1.0, seed=seed))
    ]
    assert not _weigh(few).reliable


def test_one_good_window_among_bad_ones_is_not_enough_but_a_lone_sure_one_is():
    sure = Tie(50, 50, "used", 1.0, 0.0, 3.0, 0.9, 0.01)
    lost = [Tie(50, y, "no match") for y in (150, 250, 350, 450)]
    assert not _weigh([sure, *lost]).reliable
    assert _weigh([sure], count=1).reliable
    assert not _weigh([Tie(50, 50, "used", 1.0, 0.0, 1.2, 0.4, 0.01)], count=1).reliable
    assert not _weigh([Tie(50, 50, "no data")], count=1).reliable
