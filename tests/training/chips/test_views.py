"""Views of chips without labels: functions of seed, step and index, of one geometry."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from geochange.training.chips.sampling import ChipSampler
from geochange.training.chips.views import ViewMaker, draw_box
from geochange.training.scenes.cache import SceneCache
from geochange.training.scenes.normalization import measure, settle
from geochange.training.scenes.split import open_split
from geochange.training.settings.config import parse_config

STILL = {"gain": 0.0, "offset": 0.0, "noise": 0.0, "cutmix": 0.0}


def build(table, *, cache_mb=64, **chosen):
    config = parse_config(
        table | {"unlabelled": {"sources": [{"path": "set", "scenes": ["b"]}], **chosen}}
    )
    part = open_split(config.data, config.unlabelled.sources).unlabelled
    cache = SceneCache(part.scenes, cache_mb)
    sampler = ChipSampler(part.scenes, part.surveys, config.chips)
    return ViewMaker(cache, sampler, settle(cache, measure(cache, "set", 0)), config)


def equal(one, other):
    return all(torch.equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))


def test_views_depend_on_seed_and_step_alone(tiny):
    views, again = build(tiny), build(tiny, cache_mb=0)
    wanted = [views.make_views(step, range(4)) for step in range(3)]
    assert wanted[0].strong_after.shape == (4, 3, 32, 32)
    assert wanted[0].weak_before.dtype == torch.float32
    for step in (2, 0, 1):
        assert equal(again.make_views(step, range(4)), wanted[step])
    assert not equal(wanted[0], wanted[1])
    assert not equal(build(tiny | {"seed": 1}).make_views(0, range(4)), wanted[0])
    half = views.make_views(0, range(2, 4))
    assert torch.equal(half.weak_after, wanted[0].weak_after[2:])


def test_both_views_show_the_same_ground(tiny):
    same = build(tiny, **STILL).make_views(0, range(6))
    assert torch.equal(same.weak_before, same.strong_before)
    assert torch.equal(same.weak_after, same.strong_after)
    assert not same.pasted.any()
    views = build(tiny, cutmix=0.0).make_views(0, range(6))
    assert torch.equal(views.weak_before, same.weak_before)
    for weak, strong in zip(views.weak_after, views.strong_after, strict=True):
        both = np.corrcoef(weak.flatten(1), strong.flatten(1))
        assert np.all(np.diag(both[:3, 3:]) > 0.8)
        assert not torch.equal(weak, strong)


def test_pasted_pixels_are_those_of_the_next_chip(tiny):
    alone = build(tiny, **STILL).make_views(3, range(4))
    views = build(tiny, **STILL | {"cutmix": 1.0}).make_views(3, range(4))
    assert torch.equal(views.weak_before, alone.weak_before)
    assert all(0.05 < box.float().mean() < 0.6 for box in views.pasted)
    for name in ("before", "after"):
        own, mixed = getattr(views, f"weak_{name}"), getattr(views, f"strong_{name}")
        expected = torch.where(views.pasted[:, None], own.roll(-1, 0), own)
        assert torch.equal(mixed, expected)


def test_invalid_pixels_stay_invalid_after_pasting(tiny, write_scene):
    write_scene("set/b", seed=1, east_px=64, invalid_rows=20)
    table = tiny | {"augment": {"flip": False}}
    views = build(table, cutmix=1.0).make_views(0, range(8))
    assert 0 < (~views.valid).float().mean() < 0.7
    dark = ~views.valid[:, None].expand_as(views.strong_after)
    assert (views.strong_after[dark] == 0).all()
    assert (views.strong_before[dark] == 0).all()


def test_no_label_is_opened(tiny, tmp_path):
    (tmp_path / "set" / "b" / "label.tif").write_text("no raster at all")
    table = tiny | {"data": tiny["data"] | {"train": [{"path": "set", "scenes": ["a"]}]}}
    views = build(table)
    assert [scene.label for scene in views.cache.scenes] == [None]
    assert len(views.make_views(0, range(2)).valid) == 2


@pytest.mark.parametrize("chance", [0.0, 0.3, 1.0])
def test_boxes_come_by_chance(chance):
    rng = np.random.default_rng(0)
    boxes = [draw_box(rng, (40, 40), chance) for _ in range(300)]
    shares = [box.mean() for box in boxes if box.any()]
    assert len(shares) / 300 == pytest.approx(chance, abs=0.08)
    assert all(0.08 < share < 0.55 for share in shares)
