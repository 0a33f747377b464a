from __future__ import annotations

import numpy as np
import pytest

from geochange.io.grids.displacement import Displacement
from geochange.registration.models import Model, find_consensus, list_models
from geochange.registration.ties import Tie

SHAPE = (800, 1000)
TURNED = Displacement((1.001, -0.002, 2.5, 0.003, 0.999, -1.5))


def _ties(move, count=10, noise=0.02, wild=0.0, seed=0):
    rng = np.random.default_rng(seed)
    ties = []
    for y in np.linspace(40, SHAPE[0] - 40, count):
        for x in np.linspace(40, SHAPE[1] - 40, count):
            moved = np.array(move(x, y)) + rng.normal(0, noise, 2)
            if rng.random() < wild:
                moved = rng.uniform(-10, 10, 2)
            ties.append(Tie(float(x), float(y), "used", *map(float, moved), sigma_px=0.02))
    return ties


def _mesh():
    x, y = np.meshgrid(np.linspace(40, 960, 21), np.linspace(40, 760, 21))
    return np.column_stack([x.ravel(), y.ravel()])


def _error(found, move):
    points = _mesh()
    return float(np.abs(found.at(points) - np.array([move(x, y) for x, y in points])).max())


def _bent(x, y):
    return 2 * np.sin(np.pi * x / 1000) * np.cos(np.pi * y / 800), 1.5 * np.cos(np.pi * x / 1000)


def _turned(x, y):
    return tuple(TURNED.at(np.array([[x, y]]))[0])


@pytest.mark.parametrize("wild", [0.0, 0.3])
@pytest.mark.parametrize(
    ("model", "move", "limit"),
    [
        (Model("shift", SHAPE), lambda x, y: (0.8, -3.2), 0.02),
        (Model("affine", SHAPE), _turned, 0.03),
        (Model("field", SHAPE, (5, 5), 0.0003), _bent, 0.15),
    ],
)
def test_models_are_recovered_among_outliers(model, move, limit, wild):
    assert _error(model.fit(_ties(move, wild=wild)), move) < limit


def test_no_displacement_stays_none():
    assert Model("none", SHAPE).fit(_ties(_bent)).is_still


def test_a_stiff_field_goes_on_straight_where_there_are_no_windows():
    def tilt(x, y):
        return 0.002 * x, -0.001 * y

    ties = [tie for tie in _ties(tilt, noise=0) if tie.x < 600]
    assert _error(Model("field", SHAPE, (5, 5), 0.3).fit(ties), tilt) < 0.05


def test_few_windows_allow_no_field():
    names = [m.name for m in list_models(SHAPE, (2, 9), "auto")]
    assert names == ["none", "shift", "affine"]
    assert list_models(SHAPE, (9, 9), "global")[-1].name == "affine"
    assert list_models(SHAPE, (9, 9), "local")[-1].name == "field"


def test_consensus_is_the_largest_crowd():
    crowd = np.random.default_rng(0).normal((4, -2), 0.1, (6, 2))
    wild = np.random.default_rng(1).uniform(-20, 20, (15, 2))
    np.testing.assert_allclose(find_consensus(np.concatenate([wild, crowd])), (4, -2), atol=0.2)
