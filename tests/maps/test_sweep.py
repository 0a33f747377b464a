"""A sweep adds up the same whatever it is cut into, and shows all change to whoever looks on."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi

from geochange.maps import tables
from geochange.maps.components import measure
from geochange.maps.sweep import sweep
from geochange.maps.totals import Totals, reduce_totals


@pytest.fixture
def comb() -> np.ndarray:
    """Components whose first rows are apart: combs, open at the top, joined at the bottom."""
    mask = np.zeros((30, 60), np.uint8)
    mask[2:20, 3:50:4] = 1
    mask[20, 3:50] = 1
    mask[24:28, 2:50:6] = 1
    mask[28, 2:20] = 1
    return mask


@pytest.mark.parametrize("limit", [1, 5, 40])
@pytest.mark.parametrize("connectivity", [4, 8])
def test_totals_survive_cuts_between_rows(array_source, comb, connectivity, limit, monkeypatch):
    levels = np.random.default_rng(0).integers(0, 65535, comb.shape).astype(np.uint16)
    monkeypatch.setattr(tables, "MAX_RUNS", limit)
    sources = array_source(comb, 64), array_source(levels, 64)
    found = list(measure(*sources, connectivity=connectivity))
    labels, count = ndi.label(comb, np.ones((3, 3)) if connectivity == 8 else None)
    last = [np.flatnonzero(labels == n).max() for n in range(1, count + 1)]
    order = np.argsort(last) + 1
    np.testing.assert_array_equal(
        np.concatenate([m.pixels for m in found]), ndi.sum_labels(comb, labels, order)
    )
    np.testing.assert_allclose(
        np.concatenate([m.score_mean for m in found]) * 65534, ndi.mean(levels, labels, order)
    )


@pytest.mark.parametrize("limit", [3, 1000])
def test_all_change_is_seen(array_source, comb, limit, monkeypatch):
    monkeypatch.setattr(tables, "MAX_RUNS", limit)
    seen = np.zeros((comb.shape[0], comb.shape[1] + 1), np.uint8)

    def look(runs):
        seen.reshape(-1)[runs.places] += 1

    for _ in sweep(array_source(comb, 13), 8, seen=look):
        pass
    np.testing.assert_array_equal(seen[:, :-1], comb)


def test_a_label_without_rows_adds_up_to_nothing():
    totals = Totals(np.array([[2.0], [3.0]]), np.array([[7.0], [1.0]]), np.array([4, 9]))
    reduced = reduce_totals(totals, np.array([2, 2]), 3)
    assert reduced.sums.ravel().tolist() == [0, 0, 5]
    assert reduced.peaks.ravel().tolist() == [-np.inf, -np.inf, 7]
    assert reduced.last.tolist() == [0, 0, 9]
