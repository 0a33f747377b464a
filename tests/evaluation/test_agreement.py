"""Agreement: published figures, figures by hand, and the same by the definition."""

from itertools import permutations

import numpy as np
import pytest

from geochange.evaluation.agreement import (
    AgreementCounts,
    change_iou,
    class_iou,
    cohen_kappa,
    count_pairs,
    krippendorff_alpha,
    single_out,
)

GAP = 255
# Krippendorff (2011), the data of four observers; nominal alpha 0.743
FOUR = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, GAP, GAP, GAP],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, GAP, 3],
    [GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, GAP],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, GAP],
]


def test_alpha_of_the_published_example():
    _, coincidence = count_pairs(np.array(FOUR, np.uint8), range(1, 6))
    assert coincidence.sum() == pytest.approx(40)  # the one value without a partner is left out
    assert float(krippendorff_alpha(coincidence)) == pytest.approx(0.743, abs=5e-4)


def test_alpha_by_its_definition():
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 4, (3, 40)).astype(np.uint8)
    codes[codes == 3] = GAP
    units = [column[column != GAP] for column in codes.T]
    units = [unit for unit in units if len(unit) > 1]
    total = sum(map(len, units))
    observed = sum(
        sum(a != b for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in units
    )
    pool = np.concatenate(units)
    expected = sum(a != b for a, b in permutations(pool, 2)) / (total - 1)
    _, coincidence = count_pairs(codes, (0, 1, 2))
    assert float(krippendorff_alpha(coincidence)) == pytest.approx(
        1 - observed / expected, abs=1e-12
    )


def test_two_people_by_hand():
    # 100 px: both no change 50, both house 20, both road 10; 8 house against none, 4 none against
    # house, 5 house against road, 3 road against none
    said = [(0, 0)] * 50 + [(1, 1)] * 20 + [(2, 2)] * 10 + [(1, 0)] * 8 + [(0, 1)] * 4
    said += [(1, 2)] * 5 + [(2, 0)] * 3 + [(GAP, 1)] * 7
    confusion, coincidence = count_pairs(np.array(said, np.uint8).T, (0, 1, 2))
    assert confusion[0].tolist() == [[50, 4, 0], [8, 20, 5], [3, 0, 10]]
    assert float(change_iou(confusion)) == pytest.approx(35 / 50, abs=1e-12)
    assert float(class_iou(confusion, 1)) == pytest.approx(20 / 37, abs=1e-12)
    chance = (54 * 61 + 33 * 24 + 13 * 15) / 100**2
    kappa = (0.8 - chance) / (1 - chance)
    assert float(cohen_kappa(confusion[0])) == pytest.approx(kappa, abs=1e-12)
    n = [54 + 61, 33 + 24, 13 + 15]
    alpha = 1 - 199 * 40 / (200**2 - sum(v * v for v in n))
    assert float(krippendorff_alpha(coincidence)) == pytest.approx(alpha, abs=1e-12)
    house = single_out(confusion[0], 1)
    assert house.tolist() == [[63, 4], [13, 20]]


def test_undefined_is_nan():
    confusion, coincidence = count_pairs(np.zeros((2, 9), np.uint8), (0, 1))
    assert np.isnan(cohen_kappa(confusion[0]))
    assert np.isnan(krippendorff_alpha(coincidence))
    assert np.isnan(change_iou(confusion))


def tiles(count, same):
    rng = np.random.default_rng(0)
    counted = []
    for _ in range(count):
        first = rng.integers(0, 2, 400).astype(np.uint8)
        second = np.where(rng.random(400) < same, first, 1 - first).astype(np.uint8)
        counted.append(count_pairs(np.stack([first, second]), (0, 1)))
    confusion, coincidence = (np.array(part) for part in zip(*counted, strict=True))
    return AgreementCounts(
        (0, 1), ("no change", "change"), confusion, coincidence, np.zeros((count, 1, 4)),
        np.zeros((count, 2, 2)),
    )  # fmt: skip


def test_intervals_hold_the_pooled_score_and_shrink():
    few, many = tiles(5, 0.8), tiles(80, 0.8)
    widths = []
    for counts in (few, many):
        kappa = float(counts.pooled.scores()["kappa"])
        low, high = counts.intervals(300, seed=1)["kappa"]
        assert low < kappa < high
        assert kappa == pytest.approx(0.6, abs=0.05)
        widths.append(high - low)
    assert widths[1] < widths[0] / 2
    assert few.intervals(300, seed=1)["alpha"] == few.intervals(300, seed=1)["alpha"]
    assert few.intervals(300, seed=1)["alpha"] != few.intervals(300, seed=2)["alpha"]
    assert np.isnan(few.intervals(50)["object_f1"]).all()


def test_equal_tiles_have_no_interval():
    one = tiles(1, 0.9)
    counts = one.weigh(np.ones((4, 1)))
    low, high = counts.intervals(50)["change_iou"]
    assert low == pytest.approx(high)
    assert counts.scores()["change_iou"].shape == (4,)
