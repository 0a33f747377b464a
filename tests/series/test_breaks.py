"""The COLD-like method against what COLD itself finds, and on series made for it."""

import csv

import numpy as np
import pytest

from geochange.errors import UsageError
from geochange.series.breaks import HarmonicBreak
from geochange.series.protocol import SeriesBlock

LASSO_BANDS = ("green", "red", "nir", "swir1", "swir2")


def read_pixel(path):
    """Clear observations of one pixel: Fmask 0 and 1, the first of each day."""
    with path.open() as file:
        rows = [{k.lower(): v for k, v in row.items()} for row in csv.DictReader(file)]
    found = {}
    for row in rows:
        values = [float(row[band]) for band in LASSO_BANDS]
        if int(row["qa"]) <= 1 and min(values) > 0 and max(values) < 10_000:
            found.setdefault(int(row["dates"]), values)
    days = np.array(sorted(found))
    return days, np.array([found[day] for day in days], np.float32)


def follow(days, values, **options):
    """Run one pixel through and note each break: day, last day before, observations."""
    method = HarmonicBreak(**options).recall({"noise": [1.0] * values.shape[1]})
    state = method.start(1, values.shape[1])
    breaks, phase = [], 0
    for day, value in zip(days.tolist(), values, strict=True):
        method.update(state, value[:, None], np.ones(1, bool), day)
        if phase == 1 and state["phase"][0] == 0:
            facts = (state["days"][0, 0], state["last"][0], state["first"][0], state["count"][0])
            breaks.append(tuple(int(fact) for fact in facts))
        phase = int(state["phase"][0])
    return breaks, method.report(state)


def test_forest_fire_breaks_where_cold_says(real_data):
    """COLD: one break at 738968, segment 735600 to 738960 of 472 observations.

    Ours differs by 3 observations that it takes for outliers: its noise is that of the whole
    segment, COLD's that of the 24 observations nearest in season.
    """
    path = real_data / "series_pixels" / "tutorial" / "1_hls_sc.csv"
    days, values = read_pixel(path)
    breaks, found = follow(days, values)
    assert len(breaks) == 1
    day, last, first, count = breaks[0]
    assert (day, last, first) == (738968, 738960, 735600)
    assert abs(count - 472) <= 5
    assert int(found.day[0]) == 738968
    assert found.score[0] > 0.5
    assert found.magnitude[3 - 1, 0] < 0  # less near infrared
    assert found.magnitude[4, 0] > 0  # more shortwave infrared: burnt


@pytest.mark.parametrize("name", ["2_mpb_co_landsat", "2_sm_ma_landsat"])
def test_slow_disturbances_give_few_breaks(real_data, name):
    """Beetles and moths. S-CCD at 0.999 finds none in the first, whose trees die from 2006 on."""
    days, values = read_pixel(real_data / "series_pixels" / "tutorial" / f"{name}.csv")
    breaks, _ = follow(days, values, confidence=0.999)
    assert len(breaks) <= 1
    assert all(732_500 < one[0] < 734_000 for one in breaks)


def make_wave(count=200, step=16, broken_at=None, height=800.0, seed=0):
    rng = np.random.default_rng(seed)
    days = 730_000 + step * np.arange(count)
    wave = 600 * np.cos(2 * np.pi * days / 365.25 - 1)
    bands = [1500 + scale * wave + 40 * rng.standard_normal(count) for scale in (1, -0.5, 0.2)]
    values = np.stack(bands, axis=1)
    if broken_at is not None:
        values[broken_at:] += height
    return days, values.astype(np.float32)


def test_a_break_is_found_on_its_day():
    days, values = make_wave(broken_at=120)
    breaks, found = follow(days, values)
    assert [one[0] for one in breaks] == [days[120]]
    assert int(found.since[0]) == days[119]
    assert np.abs(found.magnitude[:, 0] - 800).max() < 100


def test_seasons_noise_and_single_clouds_are_no_break():
    days, values = make_wave(seed=3)
    values[[30, 31, 77, 120, 150]] += 4000
    values[140] -= 900
    breaks, found = follow(days, values)
    assert not breaks
    assert found.score[0] < 0.5


def test_two_breaks_start_three_segments():
    days, values = make_wave(count=260, broken_at=90)
    values[180:] -= 1500
    breaks, found = follow(days, values)
    assert [one[0] for one in breaks] == [days[90], days[180]]
    assert int(found.day[0]) == days[180]  # the stronger one is told


def test_every_pixel_is_on_its_own():
    """Pixels that are seen at different dates give what each gives alone, bit by bit."""
    rng = np.random.default_rng(5)
    days, values = make_wave(broken_at=100)
    images = np.repeat(values[:, :, None, None], 6, axis=3)
    images += 5 * rng.standard_normal(images.shape).astype(np.float32)
    valid = rng.random((len(days), 1, 6)) < 0.7
    method = HarmonicBreak().fit([SeriesBlock(images, valid, days)])
    together = method.score_series(images, valid, days)
    for pixel in range(6):
        part = np.s_[..., pixel : pixel + 1]
        alone = method.score_series(images[part], valid[part], days)
        for name in ("score", "day", "since", "magnitude"):
            same = getattr(together, name)[part]
            np.testing.assert_array_equal(getattr(alone, name), same)


def test_too_few_observations_say_nothing():
    days, values = make_wave(count=20)
    _, found = follow(days[:8], values[:8])
    assert np.isnan(found.score[0])


def test_dense_series_are_thinned_and_still_break():
    days, values = make_wave(count=900, step=2, broken_at=600)
    breaks, _ = follow(days, values)
    assert [one[0] for one in breaks] == [days[600]]


def test_impossible_options_are_refused():
    for options in ({"consecutive": 1}, {"least_observations": 500}, {"confidence": 1.5}):
        with pytest.raises(UsageError):
            HarmonicBreak(**options)
