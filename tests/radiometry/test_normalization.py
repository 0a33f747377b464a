from __future__ import annotations

from dataclasses import replace

import pytest

from geochange.errors import UsageError
from geochange.io.filters.radiometry import AS_IS, BandMap
from geochange.radiometry.normalization import (
    BandFit,
    Normalization,
    check_normalization,
    decide,
    leave,
)

RED = BandFit("red", 1.2, -30.0, 0.01, 2.0, 400.0, 0.9, 0.5, 0.2)
CIRRUS = BandFit("cirrus", 0.8, 1.0, 0.1, 1.0, 12.0, 0.1, 0.9, 0.8)
MAPS = BandMap(1.2, -30.0), BandMap(0.8, 1.0)
FOUND = Normalization("auto", "linear", (RED, CIRRUS), MAPS, 0.7, 50_000)


def test_bands_without_relation_are_left_and_named():
    found = decide(FOUND)
    assert found.applied
    assert found.maps == (MAPS[0], AS_IS)
    assert [fit.applied for fit in found.fits] == [True, False]
    assert "gain 1.2, offset -30 from the 70% of the pixels that changed least" in found.said
    assert found.said.endswith("left as they are, without relation: cirrus")


def test_no_relation_at_all_is_not_reliable():
    for mode in ("auto", "linear"):
        found = decide(replace(FOUND, mode=mode, fits=(CIRRUS, CIRRUS)))
        assert not found.applied
        assert not found.reliable
        assert "not reliable: no band of one date follows the other (agreement 0.10)" in found.said


def test_too_few_invariant_pixels_are_not_reliable():
    found = decide(replace(FOUND, invariant_share=0.004))
    assert not found.applied
    assert found.maps == ()
    assert "200 of 50000 sampled pixels look unchanged" in found.said


def test_what_helps_nothing_is_left_by_auto_only():
    same = replace(FOUND, fits=(replace(RED, apart_after=0.499), CIRRUS))
    assert not decide(same).applied
    assert "bring the dates no nearer (typical difference 0.50 -> 0.50" in decide(same).said
    assert decide(replace(same, mode="linear")).applied
    chance = replace(RED, gain=1.02, offset=0.0, level_sigma=5.0)
    assert not decide(replace(FOUND, fits=(chance, CIRRUS))).applied


def test_all_of_it_survives_json_and_modes_are_checked():
    found = decide(FOUND)
    assert Normalization.recall(found.store()) == found
    assert Normalization().describe() == {"mode": "off", "applied": False}
    assert not leave("auto", "nothing there").applied
    with pytest.raises(UsageError, match="unknown normalisation 'liner'; did you mean 'linear'"):
        check_normalization("liner")
