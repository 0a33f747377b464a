"""Rasters of when."""

from datetime import date, timedelta

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from geochange.exports.serieslayers import choose_zero, write_dates
from geochange.io.stores.tilestore import TileStore
from geochange.maps.dated import DAY_NODATA
from geochange.series.result import SeriesMap


@pytest.mark.parametrize("first", [1984, 1985, 1986, 1987, 1999, 2000])
def test_every_day_lies_in_its_own_year(first, tmp_path):
    """In single and in double precision, the first and the last days of years too."""
    zero = choose_zero(date(first, 6, 1))
    days = [date(first, 1, 1) + timedelta(n) for n in range(40 * 365)]
    size = 128
    stored = np.full(size * size, DAY_NODATA, np.uint16)
    stored[: len(days)] = [(day - zero).days for day in days]
    grid = GeoBox((size, size), Affine(10, 0, 5e5, 0, -10, 5e6), "EPSG:32633")
    store = TileStore(tmp_path / "days", grid, size, "uint16", DAY_NODATA)
    (tile,) = store.plan
    store.write(tile, stored.reshape(size, size))
    path = write_dates(store, tmp_path / "date.tif", zero=zero, tags={})
    with rasterio.open(path) as dataset:
        band = dataset.read(1).ravel()[: len(days)]
        years = band * dataset.scales[0] + dataset.offsets[0]
    true = np.array([day.year for day in days])
    np.testing.assert_array_equal(np.floor(years), true)
    np.testing.assert_array_equal(np.floor(years.astype(np.float32)), true)
    exact = SeriesMap(tmp_path).read_days().ravel()[: len(days)]
    np.testing.assert_array_equal(exact, np.array(days, "datetime64[D]"))
