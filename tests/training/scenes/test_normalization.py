"""Normalisation is that of the valid training pixels, whatever else is in the files."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from geochange.errors import InputError
from geochange.nn.normalization import FixedNormalization, SceneNormalization
from geochange.tiles import Window
from geochange.training.scenes.cache import SceneCache
from geochange.training.scenes.normalization import measure, scale, settle
from geochange.training.scenes.split import open_split


@pytest.fixture
def cache(tiny_config):
    return SceneCache(open_split(tiny_config.data).training.scenes, 64)


def pixels(cache, date):
    samples = [s.read(Window(0, 0, *s.shape)) for s in cache.scenes]
    return np.concatenate([getattr(s, date)[:, s.valid] for s in samples], axis=1)


def test_the_set_has_one_scaling_for_both_dates(cache):
    found = measure(cache, "set", seed=0)
    both = np.concatenate([pixels(cache, "before"), pixels(cache, "after")], axis=1)
    assert isinstance(found, FixedNormalization)
    assert found.before == found.after
    np.testing.assert_allclose(found.before.centre, both.mean(axis=1), rtol=1e-4)
    np.testing.assert_allclose(found.before.spread, both.std(axis=1), rtol=1e-3)
    assert settle(cache, found) == [(found.before, found.after)] * 2


def test_a_constant_band_stays_near_0(cache, monkeypatch):
    read = cache.read

    def flatten(index, window):
        sample = read(index, window)
        for date in (sample.before, sample.after):
            date[1] = np.float32(1234.5678)
            date[1, ::2] += np.float32(0.0005)
        return sample

    monkeypatch.setattr(cache, "read", flatten)
    scalings = settle(cache, measure(cache, "set", seed=0))
    scaled = scale(cache.read(0, Window(0, 0, 64, 64)), scalings[0])
    assert np.abs(scaled.before[1]).max() < 0.01


def test_each_date_may_have_its_own(cache):
    found = measure(cache, "date", seed=0)
    np.testing.assert_allclose(found.before.centre, pixels(cache, "before").mean(axis=1), rtol=1e-4)
    np.testing.assert_allclose(found.after.centre, pixels(cache, "after").mean(axis=1), rtol=1e-4)


def test_percentiles_over_all_scenes(cache):
    found = measure(cache, "percentiles", seed=0)
    for scaling, date in ((found.before, "before"), (found.after, "after")):
        low, high = np.percentile(pixels(cache, date), [2, 98], axis=1)
        tolerance = 0.1 * (high - low).max()
        np.testing.assert_allclose(scaling.centre, (low + high) / 2, atol=tolerance)
        np.testing.assert_allclose(scaling.spread, (high - low) / 2, atol=tolerance)
    assert settle(cache, found) == [(found.before, found.after)] * len(cache.scenes)


def test_each_scene_may_have_its_own(cache):
    found = measure(cache, "scene", seed=0)
    assert isinstance(found, SceneNormalization)
    for scene, scalings in zip(cache.scenes, settle(cache, found), strict=True):
        sample = scale(scene.read(Window(0, 0, *scene.shape)), scalings)
        for date in (sample.before, sample.after):
            low, high = np.percentile(date[:, sample.valid], [2, 98], axis=1)
            np.testing.assert_allclose(low, -1, atol=1e-4)
            np.testing.assert_allclose(high, 1, atol=1e-4)


def test_invalid_pixels_stay_zero_and_nothing_valid_is_an_error(tmp_path, write_scene):
    from geochange.training.scenes.scene import open_scene
    from geochange.training.scenes.sources import list_scenes
    from geochange.training.settings.data import DataConfig, SourceConfig

    write_scene("half/a", invalid_rows=32)
    write_scene("none/a", invalid_rows=64)
    half, none = (
        [open_scene(f, DataConfig()) for f in list_scenes([SourceConfig(path=p)], tmp_path)]
        for p in ("half", "none")
    )
    cache = SceneCache(half, 64)
    found = measure(cache, "set", seed=0)
    valid = pixels(cache, "before"), pixels(cache, "after")
    np.testing.assert_allclose(
        found.before.centre, np.concatenate(valid, axis=1).mean(axis=1), rtol=1e-3
    )
    sample = scale(half[0].read(Window(0, 0, 64, 64)), (found.before, found.after))
    assert (sample.after[:, :32] == 0).all()
    with pytest.raises(InputError, match="no pixel of the training scenes is valid"):
        measure(SceneCache(none, 64), "set", seed=0)
    with pytest.raises(InputError, match="no pixel of scene none:a is valid"):
        settle(SceneCache(none, 64), SceneNormalization())


def test_the_same_seed_looks_at_the_same_windows(cache):
    assert measure(cache, "set", seed=3) == measure(cache, "set", seed=3)
    assert dataclasses.is_dataclass(measure(cache, "set", seed=4))
