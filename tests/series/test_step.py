import numpy as np
import pytest

from geochange.errors import InputError
from geochange.series.protocol import SeriesBlock
from geochange.series.regression import harmonic_terms
from geochange.series.step import Step, split


def make(count=8, step_at=5, height=300.0, seed=0, every=5 * 365):
    rng = np.random.default_rng(seed)
    days = 724_000 + every * np.arange(count)
    images = 1000 + 30 * rng.standard_normal((count, 3, 20, 50))
    images[step_at:, :, :10] += height
    return images.astype(np.float32), np.ones((count, 20, 50), bool), days


def run(images, valid, days, **options):
    step = Step(**options).fit([SeriesBlock(images, valid, days)])
    return step.score_series(images, valid, days)


def test_steps_of_few_dates_are_found_with_their_date():
    images, valid, days = make()
    found = run(images, valid, days, relative=False)
    assert (found.score[:10] > 0.5).mean() > 0.99
    assert (found.score[10:] > 0.5).mean() < 0.01
    assert (found.day[:10] == days[5]).mean() > 0.99
    assert (found.since[:10] == days[4]).mean() > 0.99
    assert np.abs(np.median(found.magnitude[:, :10]) - 300) < 20


def test_the_last_valid_date_before_is_told():
    images, valid, days = make()
    valid[4] = False
    found = run(images, valid, days, relative=False)
    assert (found.since[:10] == days[3]).mean() > 0.99


def test_light_of_a_date_is_no_step():
    images, valid, days = make(height=0.0)
    images[4:] += 400
    assert (run(images, valid, days).score > 0.5).mean() < 0.01
    assert (run(images, valid, days, relative=False).score > 0.5).mean() > 0.9


@pytest.mark.parametrize("partial", [[7], [5, 6, 7], [0, 2, 4, 6]])
def test_dates_that_show_only_the_dark_half_of_a_scene_are_no_step(partial):
    images, valid, days = make(height=0.0)
    images[:, :, :, 25:] += 3000
    valid[partial, :, 27:] = False
    assert (run(images, valid, days).score > 0.5).mean() < 0.01


def test_light_of_a_date_is_no_step_where_dates_show_different_parts():
    images, valid, days = make(height=0.0)
    images[:, :, :, 25:] += 3000
    images[4:] += 400
    valid[::2, :, 27:] = False
    assert (run(images, valid, days).score > 0.5).mean() < 0.01


def test_single_clouds_are_no_step():
    images, valid, days = make(height=0.0)
    images[3, :, 5:8] += 3000
    assert (run(images, valid, days).score > 0.5).mean() < 0.01


def test_seasons_are_no_step():
    images, valid, days = make(count=20, height=0.0, every=24)
    images += 300 * np.cos(2 * np.pi * days / 365.25)[:, None, None, None].astype(np.float32)
    seasonal = run(images, valid, days, relative=False)
    assert (seasonal.score > 0.5).mean() < 0.01
    plain = run(images, valid, days, relative=False, season=False)
    assert np.median(plain.score) > np.median(seasonal.score) + 0.15


def test_split_equals_least_squares():
    """The running sums against a plain fit of each step by numpy."""
    rng = np.random.default_rng(2)
    days = 730_000 + 20 * np.arange(25)
    terms = harmonic_terms(days, 0)[[0, 2, 3]]
    units = rng.standard_normal((25, 2, 4))
    units[15:, :, 0] += 2
    known = rng.random((25, 4)) < 0.8
    root, place, change = split(units, known, terms)
    for pixel in range(4):
        seen = known[:, pixel]
        best = (0.0, 0, None)
        for date in np.flatnonzero(known[:, pixel])[1:]:
            step = (np.arange(25) >= date).astype(float)
            design = np.column_stack([*terms, step])[seen]
            plain, wanted = design[:, :3], units[seen, :, pixel]
            inside = [
                ((wanted - d @ np.linalg.lstsq(d, wanted, rcond=None)[0]) ** 2).sum(axis=0)
                for d in (plain, design)
            ]
            own = step[seen] - plain @ np.linalg.lstsq(plain, step[seen], rcond=None)[0]
            if (own**2).sum() <= 0.3:
                continue
            explained = (inside[0] - inside[1]).sum()
            spread = (8 + inside[1].sum() / 2) / (8 + seen.sum() - 4)
            ratio = explained / 2 / spread
            height = np.linalg.lstsq(design, wanted, rcond=None)[0][3]
            best = max(best, (ratio, date, tuple(height)), key=lambda one: one[0])
        assert root[pixel] ** 2 == pytest.approx(best[0], rel=1e-6)
        assert place[pixel] == best[1]
        np.testing.assert_allclose(change[:, pixel], best[2], rtol=1e-6)


def test_a_series_without_overlapping_dates_is_refused():
    images, valid, days = make()
    valid[:] = False
    valid[3] = True
    with pytest.raises(InputError, match="two neighbouring dates"):
        run(images, valid, days)
