"""Decoded scenes: the same pixels with and without memory, and never more memory than allowed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from geochange.tiles import Window
from geochange.training.scenes.cache import SceneCache
from geochange.training.scenes.split import open_split

WINDOWS = [Window(0, 0, 64, 64), Window(-9, 50, 30, 40), Window(70, 0, 5, 5), Window(8, 8, 16, 9)]


@pytest.fixture
def opened(tiny_config):
    return open_split(tiny_config.data).training.scenes


def equal(one, other):
    names = ("before", "after", "label", "valid")
    return all(np.array_equal(getattr(one, n), getattr(other, n)) for n in names)


def test_memory_changes_no_pixel(opened):
    caches = [SceneCache(opened, budget) for budget in (0, 100)]
    for window in WINDOWS * 2:
        for index, scene in enumerate(opened):
            direct = scene.read(window)
            assert all(equal(cache.read(index, window), direct) for cache in caches)
    assert caches[0].used_bytes == 0
    assert 0 < caches[1].used_bytes < 2 * 64 * 64 * (6 + 2) + 1


def test_the_budget_holds(opened):
    one = 64 * 64 * 8 / 2**20
    cache = SceneCache(list(opened) * 4, budget_mb=4.3 * one * 3)
    cache.budget_bytes = int(2.5 * 64 * 64 * 8) * 10
    for index in range(8):
        cache.read(index, WINDOWS[0])
    assert cache.used_bytes <= cache.budget_bytes


def test_least_recently_used_scenes_go_first(opened, monkeypatch):
    monkeypatch.setattr("geochange.training.scenes.cache.LARGEST_SHARE", 10.0)
    cache = SceneCache([*opened, *opened], budget_mb=2 * 64 * 64 * 8 / 2**20)
    for index in (0, 1, 0, 2):
        cache.read(index, WINDOWS[0])
    assert list(cache._kept) == [0, 2]


def test_many_threads_read_alike(opened):
    cache = SceneCache(opened, 100)
    direct = [scene.read(WINDOWS[1]) for scene in opened]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: cache.read(i % 2, WINDOWS[1]), range(40)))
    assert all(equal(sample, direct[i % 2]) for i, sample in enumerate(found))
    assert cache.used_bytes == 2 * 64 * 64 * 8
