"""Chips of many dates: what is exchanged is what the truth says, whoever makes them."""

from __future__ import annotations

import numpy as np
import torch

from geochange.training.series.chips import DatedChip, choose_dates, finish, pad_dates
from geochange.training.series.exchange import exchange_ground
from geochange.training.series.supervision import SeriesSupervised, label_changes
from geochange.training.settings.config import parse_config


def make_chip(seed=0, dates=8, size=32):
    rng = np.random.default_rng(seed)
    ground = rng.normal(0, 1, (1, 3, size // 4, size // 4)).repeat(4, 2).repeat(4, 3)
    images = (ground + 0.02 * rng.standard_normal((dates, 3, size, size))).astype(np.float32)
    valid = rng.random((dates, size, size)) < 0.9
    return images, valid, np.full((size, size), -1, np.int16)


def test_ground_changes_where_and_when_the_truth_says():
    images, valid, truth = make_chip()
    before = images.copy()
    truth[:8, :8] = -2
    exchange_ground(np.random.default_rng(3), images, valid, truth, density=12.0)
    changed = truth >= 0
    assert 0.02 < changed.mean() < 0.6
    np.testing.assert_array_equal(images[:, :, truth == -1], before[:, :, truth == -1])
    np.testing.assert_array_equal(images[:, :, :8, :8], before[:, :, :8, :8])
    assert (truth[changed] > 0).all()
    rows, cols = np.nonzero(changed)
    apart = np.array(
        [
            np.abs(images[t:, :, r, c].mean(axis=0) - images[:t, :, r, c].mean(axis=0)).mean()
            for r, c, t in zip(rows, cols, truth[rows, cols], strict=True)
        ]
    )
    assert np.median(apart) > 0.4


def test_the_same_seed_gives_the_same_chip():
    parts = []
    for _ in range(2):
        images, valid, truth = make_chip()
        exchange_ground(np.random.default_rng(5), images, valid, truth, density=8.0)
        parts.append((images, valid, truth))
    for one, other in zip(*parts, strict=True):
        np.testing.assert_array_equal(one, other)


def test_dates_are_drawn_in_order_from_what_is_there():
    rng = np.random.default_rng(0)
    drawn = [choose_dates(rng, 9, wanted) for wanted in range(2, 14) for _ in range(20)]
    assert all((np.diff(chosen) > 0).all() and chosen[-1] < 9 for chosen in drawn)
    assert {len(chosen) for chosen in drawn} == set(range(2, 10))
    assert any((np.diff(chosen) > 1).any() for chosen in drawn)


def test_missing_dates_are_added_as_invalid_ones():
    images, valid, truth = make_chip(dates=4)
    chip = finish(DatedChip(images, valid, np.arange(4, dtype=np.float32), truth))
    assert (chip.truth[valid.sum(axis=0) < 2] == -2).all()
    padded = pad_dates(chip, 6)
    assert padded.images.shape[0] == padded.valid.shape[0] == len(padded.days) == 6
    assert not padded.valid[4:].any()
    assert (np.diff(padded.days) > 0).all()


class Told(torch.nn.Module):
    """Says what it was told, whatever it sees."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.nn.Parameter(logits)

    def forward(self, images, valid, days):
        return self.logits


def test_the_loss_falls_with_the_right_date_and_leaves_the_unknown_out():
    truth = torch.tensor([[[2, 2, -1, -2]]])
    assert label_changes(truth).tolist() == [[[1, 1, 0, 255]]]
    config = parse_config({"task": "series", "loss": {"name": "bce"}})
    nothing = torch.zeros(1)

    def lose(date, unknown=0.0):
        logits = torch.full((1, 4, 1, 4), -6.0)
        logits[0, date, 0, :2] = 6.0
        logits[0, 1, 0, 3] = unknown
        loss = SeriesSupervised(Told(logits), config)(nothing, nothing, nothing, truth)
        return float(loss.detach())

    assert lose(2) < 0.05
    assert lose(3) > lose(2) + 1
    assert lose(2) == lose(2, unknown=9.0)
