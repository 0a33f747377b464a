from __future__ import annotations

import json

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.alignment.pair import Pair
from geochange.errors import UsageError
from geochange.io.grids.displacement import STILL, Displacement
from geochange.registration.result import Registration, check_mode, conclude
from geochange.registration.ties import Tie

GRID = GeoBox((400, 500), Affine(10, 0, 500000, 0, -10, 5000000), "EPSG:32632")
TIES = (
    *(Tie(x, 50.0, "used", 0.5, -0.25) for x in (50.0, 150.0, 250.0)),
    Tie(350.0, 50.0, "flat"),
)


def _conclude(displacement, *, mode="auto", model="shift", reliable=True, reason="", **facts):
    found = Registration(
        mode, model, displacement, reliable, ties=TIES, matching="intensity", **facts
    )
    return conclude(found, Pair(None, None, GRID), reason)


def test_what_is_worth_it_is_applied_and_said_with_numbers():
    facts = {"residual_before_px": 0.56, "residual_after_px": 0.03}
    found = _conclude(Displacement.shift(0.5, -0.25), **facts)
    assert found.applied
    assert found.said == (
        "registration: after date corrected by a shift of +0.50 columns, -0.25 rows (5.59 m) "
        "by intensity; 3 of 4 windows agree; residual 0.56 -> 0.03 px"
    )
    assert found.describe()["windows"] == {"measured": 4, "flat": 1, "used": 3}


def test_what_is_smaller_than_resampling_is_worth_is_left_unless_it_is_asked_for():
    small = Displacement.shift(0.05, 0.02)
    found = _conclude(small)
    assert not found.applied
    assert "within 0.05 px" in found.said
    assert _conclude(small, mode="global").applied
    assert not _conclude(STILL, mode="global", model="none").applied


def test_what_is_not_reliable_is_not_applied_and_says_why():
    found = _conclude(Displacement.shift(5, 5), reliable=False)
    assert not found.applied
    assert found.displacement.is_still
    assert "not reliable: 3 of 4 windows agree (1 flat)" in found.said
    assert "windows lie" in _conclude(STILL, reliable=False, reason="windows lie apart").said


def test_a_registration_survives_json_to_the_last_bit():
    found = _conclude(Displacement((1.001, 0, 1 / 3, 0, 1, 2 / 3)), model="affine")
    assert Registration.recall(json.loads(json.dumps(found.store()))) == found


def test_unknown_modes_are_refused():
    check_mode("auto")
    with pytest.raises(UsageError, match="did you mean 'global'"):
        check_mode("globl")


def test_off_says_nothing():
    assert Registration().describe() == {"mode": "off", "applied": False}
    assert np.isfinite(Registration().displacement.matrix).all()
