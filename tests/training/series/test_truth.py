"""Dated labels: read from rasters and polygons, and what is left of them for some dates."""

from __future__ import annotations

from datetime import date, timedelta

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box

import geochange as gc
from geochange.errors import InputError
from geochange.training.series.truth import read_truth, show_first, take_dates

DAYS = [date(2020, 1, 1) + timedelta(20 * n) for n in range(5)]


@pytest.fixture
def series(write_raster):
    images = [
        write_raster(f"s/{day}.tif", np.full((1, 12, 16), 100 + n, np.uint16))
        for n, day in enumerate(DAYS)
    ]
    return gc.open_series(images)


def write_truth(write_raster, counted, **options):
    return write_raster("s/truth.tif", np.asarray(counted, np.uint8)[None], **options)


def test_a_raster_counts_the_dates_of_its_tag(series, write_raster):
    counted = np.zeros((12, 16))
    counted[2:4, 3:5], counted[6, 7], counted[8, 8] = 2, 1, 255
    days = ",".join(day.isoformat() for day in (DAYS[1], DAYS[3]))
    path = write_truth(write_raster, counted, tags={"DATES": days})
    truth = read_truth(path, series)
    assert (truth[2:4, 3:5] == 3).all()
    assert truth[6, 7] == 1
    assert truth[8, 8] == -2
    assert (truth == -1).sum() == truth.size - 6
    plain = read_truth(write_truth(write_raster, counted), series)
    assert (plain[2, 3], plain[6, 7]) == (1, 0)


@pytest.mark.parametrize(("kind", "unknown"), [(np.int16, -1), (np.float32, np.nan)])
def test_nodata_of_any_kind_is_unknown(series, write_raster, kind, unknown):
    counted = np.zeros((1, 12, 16), kind)
    counted[0, 2, 3], counted[0, 8, 8] = 2, unknown
    truth = read_truth(write_raster("s/truth.tif", counted, nodata=unknown), series)
    assert (truth[2, 3], truth[8, 8], truth[0, 0]) == (1, -2, -1)
    with pytest.raises(InputError, match="names date -1 of 5"):
        read_truth(
            write_raster("s/odd.tif", np.where(counted == 2, 0, -1).astype(np.int16)), series
        )


def test_polygons_say_the_day_in_a_field(series, tmp_path):
    left, top = 500_000, 5_000_000
    shapes = [box(left, top - 40, left + 30, top), box(left + 100, top - 120, left + 160, top - 90)]
    days = [DAYS[2].isoformat(), (DAYS[3] - timedelta(3)).isoformat()]
    frame = gpd.GeoDataFrame({"date_end": days}, geometry=shapes, crs=str(series.geobox.crs))
    frame.to_crs(4326).to_file(tmp_path / "label.gpkg")
    truth = read_truth(tmp_path / "label.gpkg", series)
    assert (truth[:4, :3] == 2).all()
    assert (truth[9:, 10:] == 3).all()
    assert (truth >= 0).sum() == 12 + 18
    frame.drop(columns="date_end").to_file(tmp_path / "bare.gpkg")
    with pytest.raises(InputError, match="has no field date_end or date"):
        read_truth(tmp_path / "bare.gpkg", series)
    frame.assign(date_end="soon").to_file(tmp_path / "soon.gpkg")
    with pytest.raises(InputError, match="holds a day that is none"):
        read_truth(tmp_path / "soon.gpkg", series)


def test_rasters_that_do_not_fit_are_refused(series, write_raster):
    with pytest.raises(InputError, match=r"has \(9, 9\) px, the series \(12, 16\)"):
        read_truth(write_truth(write_raster, np.zeros((9, 9))), series)
    with pytest.raises(InputError, match="names date 6 of 5"):
        read_truth(write_truth(write_raster, np.full((12, 16), 6)), series)


@pytest.mark.parametrize("reverse", [False, True])
def test_some_dates_show_what_the_whole_series_shows(reverse):
    rng = np.random.default_rng(0)
    for _ in range(50):
        first = int(rng.integers(0, 10))
        state = np.arange(10) >= first
        chosen = np.sort(rng.choice(10, 4, replace=False))
        seen = state[chosen][::-1] if reverse else state[chosen]
        steps = np.flatnonzero(seen[1:] != seen[:-1]) + 1
        expected = int(steps[0]) if len(steps) else -1
        found = take_dates(np.full((1, 1), first, np.int16), chosen, reverse=reverse)
        assert int(found[0, 0]) == expected


def test_changes_that_no_valid_date_shows_are_unknown():
    truth = np.array([[2, 2, 2, -1, -2]], np.int16)
    valid = np.ones((4, 1, 5), bool)
    valid[2:, 0, 0] = False
    valid[:2, 0, 1] = False
    valid[2, 0, 2] = False
    assert show_first(truth, valid).tolist() == [[-2, -2, 3, -1, -2]]
