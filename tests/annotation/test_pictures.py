"""Pictures show the source's pixels, at every level."""

import io

import numpy as np
import pytest
import rasterio
from PIL import Image

from geochange.annotation import levels, pictures
from geochange.annotation.jobs import Job, StoppedError
from geochange.annotation.levels import LevelCache
from geochange.annotation.pictures import Pictures, read_score, tile_window
from geochange.annotation.refusals import RefusedError
from geochange.errors import ResourceError
from geochange.tiles import Window

from .conftest import SHAPE


def decode(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def test_a_tile_is_the_source_stretched(project, pair):
    limits = [(900, 1155)] * 3
    picture = decode(project.pictures.render("before", (0, 0, 0), (2, 1, 0), limits, 1.0))
    with rasterio.open(pair[0]) as dataset:
        pixels = dataset.read([3, 2, 1], window=((0, 256), (0, 256)))
    assert (picture[..., :3] == (pixels - 900).transpose(1, 2, 0)).all()
    assert (picture[..., 3] == 255).all()


def test_dates_can_be_shown_alike(project):
    place, limits = ((0, 0, 0), (0,)), ([(900, 1100)], 1.0)
    match = [([900.0, 1920.0], [900.0, 1000.0])]
    plain = decode(project.pictures.render("after", *place, *limits))
    matched = decode(project.pictures.render("after", *place, *limits, match))
    assert matched[..., :3].max() <= 128 < plain[..., :3].max()


def test_outside_the_image_is_transparent(project):
    picture = decode(project.pictures.render("after", (0, 1, 1), (0,), [(0, 2000)], 1.0))
    assert (picture[: SHAPE[0] - 256, : SHAPE[1] - 256, 3] == 255).all()
    assert (picture[SHAPE[0] - 256 :, :, 3] == 0).all()


def test_a_coarse_tile_is_the_mean_of_its_pixels(project):
    fine, valid = project.pictures.read("after", (0, 0, 0), (1,))
    coarse, _ = project.pictures.read("after", (1, 0, 0), (1,))
    mean = fine.reshape(1, 128, 2, 128, 2).mean(axis=(2, 4))
    assert valid.all()
    np.testing.assert_allclose(coarse[:, :128, :128], mean, rtol=1e-5)


@pytest.mark.parametrize("place", [(0, 2, 0), (0, 0, 2), (9, 0, 0), (1, 1, 0)])
def test_there_is_no_tile_beside_the_image(place):
    with pytest.raises(RefusedError) as refused:
        tile_window(place, SHAPE, 2)
    assert refused.value.status == 404


def test_cached_levels_equal_those_read_directly(project, tmp_path, monkeypatch):
    direct = {(d, n): project.pictures.read(d, (n, 0, 0), (0, 2))
              for d in ("before", "after") for n in (0, 1)}  # fmt: skip
    monkeypatch.setattr(levels, "SMALL_PX", 100)
    monkeypatch.setattr(levels, "FIRST_LEVEL", 1)
    monkeypatch.setattr(pictures, "FIRST_LEVEL", 1)
    cache = LevelCache(tmp_path / "cache", "key")
    told = []
    assert not cache.ready
    cache.build(project.pair, lambda *done: told.append(done))
    assert cache.ready
    assert not LevelCache(tmp_path / "cache", "other").ready
    assert told[-1][0] == told[-1][1] == len(told)
    cached = Pictures(project.pair, cache)
    for (date, level), (pixels, valid) in direct.items():
        found, known = cached.read(date, (level, 0, 0), (0, 2))
        np.testing.assert_allclose(found, pixels, atol=1e-2)
        assert (known == valid).all()


def test_a_large_pair_without_its_cache_says_not_yet(project, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_DIRECT", 0)
    monkeypatch.setattr(pictures, "FIRST_LEVEL", 1)
    monkeypatch.setattr(levels, "SMALL_PX", 100)
    waiting = Pictures(project.pair, LevelCache(tmp_path, "key"))
    assert not waiting.cached
    with pytest.raises(RefusedError, match="not built yet") as refused:
        waiting.read("before", (1, 0, 0), (0,))
    assert refused.value.status == 503


def test_stopping_leaves_no_half_of_a_cache(project, tmp_path):
    job = Job(1, "levels")
    job.stop.set()
    cache = LevelCache(tmp_path / "cache", "key")
    with pytest.raises(StoppedError):
        cache.build(project.pair, lambda *done: job.report("overviews", *done))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_full_disk_is_one_line(project, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(levels.shutil, "disk_usage", lambda _: usage)
    cache = LevelCache(tmp_path / "cache", "key")
    with pytest.raises(ResourceError, match="overviews need"):
        cache.build(project.pair, lambda *_: None)


def test_scores_are_those_of_the_run(project, run):
    result = project.newest_result()
    score = read_score(result, Window(0, 0, 256, 256), (256, 256))
    with rasterio.open(run / "score.tif") as dataset:
        stored = dataset.read(1, window=((0, 256), (0, 256))) * dataset.scales[0]
    np.testing.assert_allclose(score, stored, atol=1e-6)
    beside = read_score(result, Window(256, 256, 256, 256), (256, 256))
    assert np.isnan(beside[SHAPE[0] - 256 :]).all()
