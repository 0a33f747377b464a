import numpy as np
import pytest

from geochange.errors import UsageError
from geochange.series.charts import BOUNDARIES, Cusum, Ewma, MovingSum
from geochange.series.protocol import SeriesBlock

CHARTS = [Cusum, Ewma, MovingSum]


def make(count=40, step_at=None, height=300.0, pixels=400, seed=0, season=0.0):
    rng = np.random.default_rng(seed)
    days = 730_000 + 16 * np.arange(count)
    images = 1000 + 30 * rng.standard_normal((count, 3, 1, pixels))
    images += season * np.cos(2 * np.pi * days / 365.25)[:, None, None, None]
    if step_at is not None:
        images[step_at:, :, :, : pixels // 2] += height
    return images.astype(np.float32), np.ones((count, 1, pixels), bool), days


@pytest.mark.parametrize("chart", CHARTS)
def test_steps_are_found_and_noise_is_not(chart):
    images, valid, days = make(step_at=28)
    found = chart().fit([SeriesBlock(images, valid, days)]).score_series(images, valid, days)
    changed = found.score[0] > 0.5
    assert changed[:200].mean() > 0.98
    assert changed[200:].mean() < 0.02
    late = (found.day[0, :200] - days[28]) / 16
    assert np.median(late) == 0
    near = 0.6 if chart is MovingSum else 0.9  # a window knows its own beginning less exactly
    assert (np.abs(late) <= 1).mean() > near
    assert np.abs(np.median(found.magnitude[:, 0, :200]) - 300) < 40


@pytest.mark.parametrize("chart", CHARTS)
def test_single_clouds_are_no_change(chart):
    images, valid, days = make()
    images[25] += 5000
    found = chart().fit([SeriesBlock(images, valid, days)]).score_series(images, valid, days)
    assert (found.score[0] > 0.5).mean() < 0.02


@pytest.mark.parametrize("chart", CHARTS)
def test_a_history_of_a_year_knows_the_season(chart):
    images, valid, days = make(count=80, step_at=60, season=400.0)
    method = chart(history=30).fit([SeriesBlock(images, valid, days)])
    found = method.score_series(images, valid, days)
    changed = found.score[0] > 0.5
    assert changed[:200].mean() > 0.9
    assert changed[200:].mean() < 0.05


def test_pixels_without_a_history_are_unknown():
    images, valid, days = make(count=10)
    found = Cusum().fit([SeriesBlock(images, valid, days)]).score_series(images, valid, days)
    assert np.isnan(found.score).all()


def test_boundaries_hold_for_a_simulated_history():
    """Few level-only series cross; the table was made from 4 000 of them with 200 dates."""
    rng = np.random.default_rng(1)
    history, crossed = 100, 0
    for _ in range(300):
        errors = rng.standard_normal(10 * history)
        errors -= errors[:history].mean()
        total = np.concatenate([[0], np.cumsum(errors)])
        at = np.arange(history + 1, len(errors) + 1)
        moved = np.abs(total[at] - total[at - history // 2]) / np.sqrt(history)
        ratio = at / history
        moved /= np.sqrt(np.where(ratio > np.e, np.log(ratio), 1.0))
        crossed += moved.max() > BOUNDARIES[0.5, 0.05]
    assert 0.02 <= crossed / 300 <= 0.09


def test_impossible_options_are_refused():
    for build in (
        lambda: Cusum(history=1),
        lambda: Cusum(slack=-1),
        lambda: Ewma(weight=0),
        lambda: MovingSum(window=0.3),
    ):
        with pytest.raises(UsageError):
            build()
