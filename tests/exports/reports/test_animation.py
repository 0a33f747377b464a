"""Animations play the dates in order, longest at the end, and take little memory."""

import io
import tracemalloc
from datetime import date, timedelta

import numpy as np
import pytest
from PIL import Image

from geochange.errors import UsageError
from geochange.exports.reports.animation import animate, check_animation
from geochange.series.frames import Frames

FIRST = date(2020, 1, 1)


def make_frames(count, size):
    rng = np.random.default_rng(0)
    images = rng.random((count, 3, size, size)).astype(np.float32)
    images[:, :, 0, 0] = np.nan
    days = tuple(FIRST + timedelta(30 * n) for n in range(count))
    return Frames(days, images, (1.0,) * count, 1, (0, 1, 2))


@pytest.mark.parametrize(("kind", "form"), [("gif", "GIF"), ("apng", "PNG")])
def test_frames_follow_each_other_without_end(kind, form):
    frames = make_frames(4, 250)
    changed = np.zeros((250, 250), np.int32)
    changed[50:80, 50:80] = frames.days[2].toordinal()
    content = animate(frames, frames.days, changed, kind)
    assert content == animate(make_frames(4, 250), frames.days, changed, kind)
    with Image.open(io.BytesIO(content)) as film:
        assert (film.format, film.n_frames, film.info["loop"]) == (form, 4, 0)
        pictures, times = [], []
        for number in range(4):
            film.seek(number)
            pictures.append(np.asarray(film.convert("RGB")).astype(int))
            times.append(film.info["duration"])
    assert times == [900, 900, 900, 2500]
    red = [(picture[50, 50:80] == (255, 40, 40)).all(axis=1).mean() for picture in pictures]
    assert red[:2] == [0, 0]
    if kind == "apng":  # GIF has the nearest of 256 colours
        assert red[2:] == [1, 1]


def test_an_animation_holds_no_picture_of_every_date_in_full():
    frames = make_frames(20, 300)
    frames.limits  # noqa: B018
    tracemalloc.start()
    animate(frames, frames.days, np.zeros((300, 300), np.int32), "gif")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * frames.images.nbytes


def test_an_unknown_kind_is_refused():
    with pytest.raises(UsageError, match="unknown animation 'mp4'; give gif"):
        check_animation("mp4")
