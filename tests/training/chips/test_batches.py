"""A batch is a function of seed, step and index: not of threads, memory or what was made before."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from geochange.training.chips.batches import ChipMaker, run_ahead
from geochange.training.chips.sampling import ChipSampler
from geochange.training.scenes.cache import SceneCache
from geochange.training.scenes.normalization import measure, settle
from geochange.training.scenes.split import open_split
from geochange.training.settings.config import parse_config

ALL = {
    "augment": {"scale": 1.3, "noise": 0.1},
    "synthesis": {"copy_paste": 0.5, "patches": 0.3, "unchanged": 0.2},
}


def build(table, *, cache_mb=64, **changes):
    config = parse_config(table | changes)
    part = open_split(config.data).training
    cache = SceneCache(part.scenes, cache_mb)
    sampler = ChipSampler(part.scenes, part.surveys, config.chips)
    return ChipMaker(cache, sampler, settle(cache, measure(cache, "set", 0)), config)


def equal(one, other):
    return all(
        torch.equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True)
    )


def test_batches_depend_on_seed_and_step_alone(tiny):
    chips, again = build(tiny, **ALL), build(tiny, cache_mb=0, **ALL)
    wanted = [chips.make_batch(step, range(4)) for step in range(4)]
    assert wanted[0].before.shape == (4, 3, 32, 32)
    assert wanted[0].before.dtype == torch.float32
    assert wanted[0].label.dtype == torch.uint8
    for step in (3, 0, 2):
        assert equal(again.make_batch(step, range(4)), wanted[step])
    halves = [again.make_batch(1, part) for part in (range(2), range(2, 4))]
    assert torch.equal(torch.cat([h.after for h in halves]), wanted[1].after)
    assert not equal(wanted[0], wanted[1])
    other = build(tiny, seed=1, **ALL)
    assert not equal(other.make_batch(0, range(4)), wanted[0])


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_threads_change_nothing(tiny, workers):
    chips = build(tiny, **ALL)
    wanted = [chips.make_batch(step, range(4)) for step in range(9)]
    found = run_ahead(lambda step: chips.make_batch(step, range(4)), range(9), workers)
    assert all(equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_threads_pass_errors_on_and_can_be_left_early():
    def fail(number):
        if number == 3:
            msg = "three"
            raise ValueError(msg)
        return number

    made = run_ahead(fail, range(9), 2)
    assert [next(made) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(made)
    early = run_ahead(fail, range(100), 2)
    next(early)
    early.close()


def test_kinds_come_in_their_shares_and_unchanged_chips_are_unchanged(tiny):
    still = {"augment": {"gain": 0, "offset": 0, "shift_px": 0}}
    chips = build(tiny, **still, synthesis={"patches": 0.25, "unchanged": 0.25})
    kinds = [chips.describe(0, [i]).rpartition("(")[2][:-1] for i in range(200)]
    shares = {kind: kinds.count(kind) / 200 for kind in set(kinds)}
    assert set(shares) == {"real", "patches", "unchanged"}
    assert abs(shares["real"] - 0.5) < 0.1
    for index in (i for i in range(60) if kinds[i] == "unchanged"):
        sample = chips.make(0, index)
        assert np.array_equal(sample.before, sample.after)
        assert not (sample.label == 1).any()


def test_scenes_without_labels_train_by_made_change(tmp_path, write_scene, tiny):
    for name in ("a", "b"):
        (tmp_path / "set" / name / "label.tif").unlink()
    chips = build(tiny, synthesis={"unchanged": 0.2})
    assert not chips.sampler.labelled
    batches = [chips.make_batch(step, range(4)) for step in range(6)]
    labels = torch.cat([batch.label for batch in batches])
    assert 0.02 < (labels == 1).float().mean() < 0.7
    assert "real" not in chips.describe(0, range(20))


def test_chips_of_which_nothing_is_known_are_drawn_again(tmp_path, write_scene, tiny):
    write_scene("set/a", seed=0, invalid_rows=60)
    table = tiny | {"data": tiny["data"] | {"train": [{"path": "set", "scenes": ["a"]}]}}
    chips = build(table, chips={"size_px": 8, "batch_size": 4}, augment={"shift_px": 0})
    known = [(chips.make(0, index).label != 255).any() for index in range(40)]
    assert np.mean(known) > 0.4
    once = build(
        table, chips={"size_px": 8, "batch_size": 4, "attempts": 1}, augment={"shift_px": 0}
    )
    assert np.mean([(once.make(0, i).label != 255).any() for i in range(40)]) < np.mean(known)


def test_configs_are_frozen(tiny_config):
    with pytest.raises(dataclasses.FrozenInstanceError):
        tiny_config.steps = 3
